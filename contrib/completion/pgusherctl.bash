# Completion of pgusherctl for bash; to be put into
# /usr/share/bash-completion/completions/pgusherctl.
# shellcheck shell=bash

_pgusherctl_reports='ACTIVE_SOCKETS CLIENTS CONFIG DATABASES DNS_HOSTS
DNS_ZONES FDS HELP HISTOGRAMS LISTS MEM PEERS PEER_POOLS POOLS SERVERS SOCKETS
STATE STATS STATS_AVERAGES STATS_TOTALS TOTALS USERS VERSION WORKERS'

_pgusherctl_commands='show sql top health userlist pause resume reload
reconnect wait-close kill disable enable suspend drain shutdown config'

_pgusherctl_options='--host --port --user --dbname --no-password --csv --json
--quiet --database --waiting --maxwait --xact-time --usage --timeout --interval
--count --batch --page --output --from --version --help'

# The databases of the pooler that the call so far says, if it answers.
_pgusherctl_databases()
{
	local -a place=()
	local i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-h | -p | -U | -d | --host | --port | --user | --dbname)
			place+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
		esac
	done
	PGCONNECT_TIMEOUT=1 pgusherctl -w "${place[@]}" --csv show databases \
	    2>/dev/null </dev/null | sed '1d;s/,.*//'
}

_pgusherctl()
{
	local current=${COMP_WORDS[COMP_CWORD]} command='' i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case " ${_pgusherctl_commands//$'\n'/ } " in
		*" ${COMP_WORDS[i]} "*)
			command=${COMP_WORDS[i]}
			break ;;
		esac
	done
	case $command:$current in
	*:-*) mapfile -t COMPREPLY < <(compgen -W "$_pgusherctl_options" -- \
	    "$current") ;;
	:*) mapfile -t COMPREPLY < <(compgen -W "$_pgusherctl_commands" -- \
	    "$current") ;;
	show:*) mapfile -t COMPREPLY < <(compgen -W "$_pgusherctl_reports" -- \
	    "${current^^}") ;;
	config:*) mapfile -t COMPREPLY < <(compgen -W check -f -- "$current") ;;
	pause:* | resume:* | reconnect:* | wait-close:* | kill:* | \
	disable:* | enable:*)
		mapfile -t COMPREPLY < <(compgen -W \
		    "$(_pgusherctl_databases)" -- "$current") ;;
	*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	esac
}

complete -F _pgusherctl pgusherctl
