# SPDX-License-Identifier: MIT
# Made by packaging/completions/generate.py; a change here would be lost.
# shellcheck shell=bash

# Offers what compgen finds for a word. bash replaces only what stands behind the last colon.
_socketgate_offer() {
    local current=$1 index
    shift
    mapfile -t COMPREPLY < <(compgen "$@" -- "$current")
    [[ $COMP_WORDBREAKS == *:* ]] || return 0
    for index in "${!COMPREPLY[@]}"; do
        COMPREPLY[index]=${COMPREPLY[index]#"${current%"${current##*:}"}"}
    done
}

_socketgate() {
    local current before verb='' options='' takes='' word last='' index position=0
    local -a words=()
    COMPREPLY=()
    # bash splits --option=value, name=host and IPv6 addresses
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if [[ $index -gt 0 && ( $word =~ ^[:=]+$ || $last =~ ^[:=]+$ ) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
        last=$word
    done
    current=${words[-1]} before=${words[-2]}
    if [[ $current == --*=* ]]; then before=${current%%=*} current=${current#*=}; fi
    for ((index = 1; index < ${#words[@]} - 1; index++)); do
        word=${words[index]}
        if [[ $word == -- ]]; then
            _socketgate_offer "$current" -c -f
            return
        elif [[ $word == -* ]]; then
            [[ " $takes " != *" $word "* ]] || index=$((index + 1))
        elif [[ -n $verb ]]; then
            position=$((position + 1))
        else
            verb=$word
            case $verb in
            run) options='-h --help --config' takes='--config' ;;
            exec) options='--stderr --gate-user' takes='--stderr --gate-user' ;;
            launch) options='-h --help --max --commands --stderr --listen --gate-user' takes='--max --stderr --listen --gate-user' ;;
            check) options='-h --help --allow --deny --config --strict --no-lookups --json --no-pager' takes='--allow --deny --config' ;;
            match) options='-h --help --allow --deny --config --resolve --libwrap --json --jsonl --no-pager' takes='--allow --deny --config' ;;
            unit) options='-h --help --listen --resident --launch --backend --handoff --user --install --remove --root --force --json --systemd-version' takes='--listen --backend --handoff --user --root --systemd-version' ;;
            status) options='-h --help --json --no-pager --gates' takes='--gates' ;;
            top) options='-h --help --seconds --count --json --gates' takes='--seconds --count --gates' ;;
            explain) options='-h --help --files --config --json --no-pager --gates' takes='--config --gates' ;;
            reload) options='-h --help --json --gates' takes='--gates' ;;
            ban) options='-h --help --for --daemon --prefix --reason --origin --force --config' takes='--for --daemon --prefix --reason --origin --config' ;;
            unban) options='-h --help --all --daemon --prefix --origin --ignore-missing --config' takes='--daemon --prefix --origin --config' ;;
            bans) options='-h --help --daemon --origin --json --no-pager --config' takes='--daemon --origin --config' ;;
            metrics) options='-h --help --output --serve --gates' takes='--output --gates' ;;
            import) options='-h --help --json' takes='' ;;
            esac
        fi
    done
    if [[ -z $verb ]]; then
        _socketgate_offer "$current" -W 'run exec launch check match unit status top explain reload ban unban bans metrics import --help --version'
        return
    fi
    case "$verb $before" in
    'run --config' | 'launch --listen' | 'check --allow' | 'check --deny' | 'check --config' | 'match --allow' | 'match --deny' | 'match --config' | 'unit --backend' | 'explain --config' | 'ban --config' | 'unban --config' | 'bans --config' | 'metrics --output') _socketgate_offer "$current" -f; return ;;
    'unit --root' | 'status --gates' | 'top --gates' | 'explain --gates' | 'reload --gates' | 'metrics --gates') _socketgate_offer "$current" -d; return ;;
    'ban --daemon' | 'unban --daemon' | 'bans --daemon') _socketgate_offer "$current" -W "ALL $(ls /run/socketgate/gate 2>/dev/null)"; return ;;
    'exec --gate-user' | 'launch --gate-user' | 'unit --user') _socketgate_offer "$current" -u; return ;;
    'exec --stderr') _socketgate_offer "$current" -W 'client'; return ;;
    'launch --stderr') _socketgate_offer "$current" -W 'journal client'; return ;;
    'unit --handoff') _socketgate_offer "$current" -W 'channel connection'; return ;;
    'launch --max' | 'unit --listen' | 'unit --systemd-version' | 'top --seconds' | 'top --count' | 'ban --for' | 'ban --prefix' | 'ban --reason' | 'ban --origin' | 'unban --prefix' | 'unban --origin' | 'bans --origin') return ;;
    esac
    if [[ $current == -* ]]; then
        _socketgate_offer "$current" -W "$options"
        return
    fi
    case "$verb $position" in
    'exec '*) ;;
    'launch '*) ;;
    'match 0') _socketgate_offer "$current" -W "$(ls /run/socketgate/gate 2>/dev/null)" ;;
    'match 1') ;;
    'match '*) _socketgate_offer "$current" -W 'name= user= saddr= sport= sname= cport= aclexec='; compopt -o nospace 2>/dev/null ;;
    'unit 0') ;;
    'unit '*) ;;
    'status 0') _socketgate_offer "$current" -W "$(ls /run/socketgate/gate 2>/dev/null)" ;;
    'top 0') _socketgate_offer "$current" -W "$(ls /run/socketgate/gate 2>/dev/null)" ;;
    'explain 0') _socketgate_offer "$current" -W "$(ls /run/socketgate/gate 2>/dev/null)" ;;
    'explain 1') ;;
    'explain '*) _socketgate_offer "$current" -W 'name= user= saddr= sport='; compopt -o nospace 2>/dev/null ;;
    'reload 0') _socketgate_offer "$current" -W "$(ls /run/socketgate/gate 2>/dev/null)" ;;
    'ban '*) ;;
    'unban '*) _socketgate_offer "$current" -W "$(socketgate bans 2>/dev/null | sed "1d;s/ .*//")" ;;
    'bans 0') _socketgate_offer "$current" -W "$(socketgate bans 2>/dev/null | sed "1d;s/ .*//")" ;;
    'import 0') _socketgate_offer "$current" -W 'xinetd' ;;
    'import '*) _socketgate_offer "$current" -f ;;
    esac
}
complete -o filenames -F _socketgate socketgate
