# SPDX-License-Identifier: MIT
# Made by packaging/completions/generate.py; a change here would be lost.
# shellcheck shell=bash

_socketgate() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local verb='' options='' index
    # bash takes --option=value for three words
    if [[ $current == = ]]; then current=''
    elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
    COMPREPLY=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        if [[ ${COMP_WORDS[index]} == -- ]]; then
            mapfile -t COMPREPLY < <(compgen -c -f -- "$current")
            return
        fi
        [[ -n $verb || ${COMP_WORDS[index]} == -* ]] || verb=${COMP_WORDS[index]}
    done
    if [[ -z $verb ]]; then
        options='run exec launch check match unit status top explain reload ban unban bans metrics import --help --version'
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    case "$verb $before" in
    'run --config' | 'launch --listen' | 'check --allow' | 'check --deny' | 'check --config' | 'match --allow' | 'match --deny' | 'match --config' | 'unit --backend' | 'explain --config' | 'ban --config' | 'unban --config' | 'bans --config' | 'metrics --output')
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return ;;
    'unit --root' | 'status --gates' | 'top --gates' | 'explain --gates' | 'reload --gates' | 'metrics --gates')
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return ;;
    'ban --daemon' | 'unban --daemon' | 'bans --daemon')
        mapfile -t COMPREPLY < <(compgen -W "$(ls /run/socketgate/gate 2>/dev/null)" -- "$current")
        return ;;
    'exec --gate-user' | 'launch --gate-user' | 'unit --user')
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
        return ;;
    'exec --stderr')
        mapfile -t COMPREPLY < <(compgen -W 'client' -- "$current")
        return ;;
    'launch --stderr')
        mapfile -t COMPREPLY < <(compgen -W 'journal client' -- "$current")
        return ;;
    'unit --handoff')
        mapfile -t COMPREPLY < <(compgen -W 'channel connection' -- "$current")
        return ;;
    'launch --max' | 'unit --listen' | 'unit --systemd-version' | 'top --seconds' | 'top --count' | 'ban --for' | 'ban --prefix' | 'ban --reason' | 'ban --origin' | 'unban --prefix' | 'unban --origin' | 'bans --origin')
        return ;;
    esac
    case $verb in
    run) options='-h --help --config' ;;
    exec) options='--stderr --gate-user' ;;
    launch) options='-h --help --max --commands --stderr --listen --gate-user' ;;
    check) options='-h --help --allow --deny --config --strict --no-lookups --json' ;;
    match) options='-h --help --allow --deny --config --resolve --libwrap --json --jsonl' ;;
    unit) options='-h --help --listen --resident --launch --backend --handoff --user --install --remove --root --force --json --systemd-version' ;;
    status) options='-h --help --json --no-pager --gates' ;;
    top) options='-h --help --seconds --count --json --gates' ;;
    explain) options='-h --help --files --config --json --no-pager --gates' ;;
    reload) options='-h --help --json --gates' ;;
    ban) options='-h --help --for --daemon --prefix --reason --origin --force --config' ;;
    unban) options='-h --help --all --daemon --prefix --origin --ignore-missing --config' ;;
    bans) options='-h --help --daemon --origin --json --no-pager --config' ;;
    metrics) options='-h --help --output --serve --gates' ;;
    import) options='-h --help --json' ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    case $verb in
    import)
        if [[ $before == "$verb" ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'xinetd' -- "$current")
            return
        fi
        mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    match | status | top | explain | reload)
        mapfile -t COMPREPLY < <(compgen -W "$(ls /run/socketgate/gate 2>/dev/null)" -- "$current") ;;
    esac
}
complete -o filenames -F _socketgate socketgate
