# SPDX-License-Identifier: MIT
# What zsh makes of a line when the Tab key is pressed at its end: zsh zsh_completion.zsh FOLDER LINE
# A zsh in a terminal of its own, since completion needs one; it ends with this one.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; unset zle_bracketed_paste; fpath=(${(q)1} \$fpath)"
zpty -w shell 'autoload -Uz compinit; compinit -u -D'
zpty -w shell 'show() { zle complete-word; print -r -- "BEGIN$BUFFER""END"; BUFFER=; zle redisplay }'
zpty -w shell 'zle -N show; bindkey "^T" show; echo REA""DY'
zpty -r shell seen '*READY*'
zpty -w -n shell "$2"$'\x14'
zpty -r shell seen '*BEGIN*END*'
seen=${${seen##*BEGIN}%%END*}
print -r -- "$seen"
zpty -d shell
