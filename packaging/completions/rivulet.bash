# bash completion of the rivulet programs, read from their own --help:
# it cannot fall behind. Installed under each program's name.
# shellcheck shell=bash

_rivulet() {
  local program=$1 current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} name
  # Bash splits --name=value into three words at "=".
  if [[ $current == = ]]; then
    name=$previous current=
  elif [[ $previous == = ]]; then
    name=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $previous == --* ]]; then
    name=$previous
  fi
  COMPREPLY=()
  case ${name-} in
    --log-format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$current") ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W 'debug info warning error' -- "$current") ;;
    --overflow) mapfile -t COMPREPLY < <(compgen -W 'reject log' -- "$current") ;;
    --sync | --spool-sync) mapfile -t COMPREPLY < <(compgen -W 'always none 100ms' -- "$current") ;;
    --spool-full) mapfile -t COMPREPLY < <(compgen -W 'wait drop-oldest' -- "$current") ;;
    --summary-format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$current") ;;
    --store) mapfile -t COMPREPLY < <(compgen -W 'memory: file: redis:// redis+unix://' -- "$current") ;;
    --policy) mapfile -t COMPREPLY < <(compgen -W 'thompson ucb1 epsilon-greedy lin-ucb linear-thompson uniform' -- "$current") ;;
    --prior) mapfile -t COMPREPLY < <(compgen -W 'uniform counts' -- "$current") ;;
    --remote-address) mapfile -t COMPREPLY < <(compgen -W 'none truncated full' -- "$current") ;;
    --compress) mapfile -t COMPREPLY < <(compgen -W 'none gzip zstd' -- "$current") ;;
    --by) mapfile -t COMPREPLY < <(compgen -W 'edges in out pagerank hops likelihood' -- "$current") ;;
    --format) mapfile -t COMPREPLY < <(compgen -W 'dot graphml json svg' -- "$current") ;;
    --layout) mapfile -t COMPREPLY < <(compgen -W 'auto dot neato fdp sfdp circo twopi' -- "$current") ;;
    --spool-path | --root | --data-path | --checkpoint-dir | --failed-message-dir)
      mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    --user) mapfile -t COMPREPLY < <(compgen -u -- "$current") ;;
    --group) mapfile -t COMPREPLY < <(compgen -g -- "$current") ;;
    --config | --file | --*-file | --*-log | --dead-letter | --filename-format | --task | --preprocess | --validate | --requeue-giveup | --source | --mapping)
      mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
  esac
  if [[ $program == *file_to_http && $current != -* && -z ${name-} ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current") # its arguments are files
  fi
  if [[ $program == *rivulet-graph && $current != -* && -z ${name-} ]]; then
    mapfile -t COMPREPLY < <(compgen -W 'top neighbors path export' -- "$current")
  fi
  if [[ $current == -* ]]; then
    # "--name=VALUE text" becomes --name=, "--flag text" becomes --flag.
    mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null |
      sed -nE 's/^ +(-[a-zA-Z], *)?(--[a-z][a-z0-9-]*=?).*/\2/p')" -- "$current")
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
  fi
}

complete -F _rivulet pubsub simplequeue ps_to_http ps_to_file file_to_http queuereader collector bandit rivulet-journal rivulet-graph rivulet-new-task
