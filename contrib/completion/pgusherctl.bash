# Completion of pgusherctl for bash; to be put into
# /usr/share/bash-completion/completions/pgusherctl.
# shellcheck shell=bash

_pgusherctl_reports='ACTIVE_SOCKETS CLIENTS CONFIG DATABASES DNS_HOSTS
DNS_ZONES FDS HELP HISTOGRAMS LISTS MEM PEERS PEER_POOLS POOLS SERVERS SOCKETS
STATE STATS STATS_AVERAGES STATS_TOTALS TOTALS USERS VERSION WORKERS'

_pgusherctl_commands='show sql top health userlist pause resume reload
reconnect wait-close kill disable enable suspend drain shutdown config'

_pgusherctl_options='--host --port --user --dbname --no-password --csv --json
--quiet --database --waiting --maxwait --xact-time --usage --timeout --wait
--interval --count --batch --page --output --from --version --help'

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

# The command, if one has been typed: no option, nor what belongs to one.
_pgusherctl_command()
{
	local i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-[hpUdino] | --host | --port | --user | --dbname | \
		--database | --waiting | --maxwait | --xact-time | --usage | \
		--timeout | --interval | --count | --page | --output | --from)
			i=$((i + 1)) ;;
		-*)	;;
		*)	printf '%s:%d\n' "${COMP_WORDS[i]}" \
			    $((COMP_CWORD - i))
			return ;;
		esac
	done
}

# _pgusherctl_offer WORDS CURRENT: those that begin so.
_pgusherctl_offer()
{
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_pgusherctl()
{
	local current=${COMP_WORDS[COMP_CWORD]}

	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--page)	_pgusherctl_offer 'pools clients servers times' "$current"
		return ;;
	-o | --output)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return ;;
	--database)
		_pgusherctl_offer "$(_pgusherctl_databases)" "$current"
		return ;;
	esac
	case $current in
	-*)	_pgusherctl_offer "$_pgusherctl_options" "$current"
		return ;;
	esac
	case $(_pgusherctl_command) in
	'')	_pgusherctl_offer "$_pgusherctl_commands" "$current" ;;
	show:*)	_pgusherctl_offer "$_pgusherctl_reports" "${current^^}" ;;
	config:1)
		_pgusherctl_offer check "$current" ;;
	pause:1 | resume:1 | reconnect:1 | wait-close:1 | kill:1 | \
	disable:1 | enable:1)
		_pgusherctl_offer "$(_pgusherctl_databases)" "$current" ;;
	config:*)
		mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	esac
}

complete -F _pgusherctl pgusherctl
