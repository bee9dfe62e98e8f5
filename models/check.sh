#!/usr/bin/env bash
# Checks the protocol models: each must hold, and each of its mutations must be refuted.
#
#   models/check.sh          sizes that take about a minute together
#   models/check.sh --deep   the bigger sizes of README.md, minutes and up to 3 GB
#   models/check.sh -v       (either form) also prints what refuted a mutation
#
# Needs spin and gcc. Everything it builds lies under build/models (MUSTER_MODELS_OUT names another place).
# Exit 1: a model is wrong, a mutation survived, or a search ended before it had seen every state.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${MUSTER_MODELS_OUT:-$here/../build/models}
deep=no verbose=no failed=0
for argument in "$@"; do
    case $argument in
    --deep) deep=yes ;;
    -v) verbose=yes ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
for tool in spin gcc; do
    command -v "$tool" >/dev/null || { echo "models: $tool is not installed (apt install spin gcc)" >&2; exit 1; }
done

# search NAME MODEL HASH_BITS [-D...]: builds and runs the search; its report is in $report, its time in $seconds.
search() {
    local name=$1 model=$2 bits=$3
    shift 3
    local room=$out/${name//\//-}
    rm -rf "$room" && mkdir -p "$room" || return 1
    report=$room/report.txt
    (cd "$room" && spin -a "$@" "$here/$model.pml" >spin.txt 2>&1 && [ -s pan.c ]) || {
        cat "$room/spin.txt" >&2
        return 1
    }
    # HC4: states are stored as hashes of 64 bits and more. SAFETY: assertions and dead ends, no cycles.
    (cd "$room" && gcc -O1 -w -DSAFETY -DHC4 -DMEMLIM=2900 -o pan pan.c) || return 1
    local begin=${EPOCHREALTIME/./}
    (cd "$room" && ./pan -m"$depth" -w"$bits" >report.txt 2>&1)
    seconds=$(awk -v us=$((${EPOCHREALTIME/./} - begin)) 'BEGIN { printf "%.1f", us / 1e6 }')
    rm -f "$room"/pan "$room"/pan.[a-z]
}

fail() {
    echo "$1 FAILED: $2 (see ${report:-the messages above})"
    failed=1
}

# complete: the report is that of a search that has seen every state and found nothing.
complete() {
    grep -q 'errors: 0$' "$report" &&
        ! grep -qiE 'too small|out of memory|not completed|MEMLIM|aborted|truncated' "$report"
}

# holds NAME MODEL HASH_BITS [-D...]
holds() {
    report=
    if ! search "$@"; then
        fail "$1" "it could not be built"
    elif grep -qE 'assertion violated|invalid end state \(' "$report"; then
        fail "$1" "$(grep -m1 -oE 'assertion violated.*|invalid end state.*' "$report")"
    elif ! complete; then
        fail "$1" "the search did not see every state"
    else
        awk -v name="$1" -v s="$seconds" '/states, stored/ && !n { n = $1 } /total actual memory/ { m = $1 }
            END { printf "%s ok %.2f M states %s s %d MB\n", name, n / 1e6, s, m }' "$report"
    fi
}

# refuted MODEL HASH_BITS MUTATION [-D...]
refuted() {
    local model=$1 bits=$2 mutation=$3 name
    shift 3
    name=$(tr 'A-Z_' 'a-z-' <<<"${mutation#BUG_}")
    name=$model/$name report=
    if ! search "$name" "$model" "$bits" "-D$mutation" "$@"; then
        fail "$name" "it could not be built"
    elif ! grep -q 'assertion violated' "$report"; then
        fail "$name" "the mutation was not refuted"
    elif [ $verbose = yes ]; then
        echo "$name refuted: $(grep -m1 -oE 'assertion violated.*' "$report")"
    else
        echo "$name refuted"
    fi
}

depth=4000000
if [ $deep = yes ]; then
    holds handover-4-plans handover 28 -DN=3 -DPLANS=4
    holds handover-4-members handover 24 -DN=4 -DPLANS=2
    holds lease-t5 lease 27 -DT=5 -DTICK=2
    holds lease-t6-tick3 lease 27 -DT=6 -DTICK=3
    holds lease-keep-evidence lease 26 -DT=4 -DTICK=2 -DKEEP_EVIDENCE
    holds succession-5 succession 27 -DN=5 -DENTRIES=7
    exit $failed
fi

holds handover handover 24 -DN=3 -DPLANS=3
for mutation in DROPWAIT ABSENT REUSE SAMEFENCE LEASE ACKEARLY PREPARE OWNERACK; do
    refuted handover 24 BUG_$mutation -DN=3 -DPLANS=3
done

holds lease lease 25 -DT=4 -DTICK=2
for mutation in BUG_LAST_WRITE BUG_PING_REPLY BUG_LATE BUG_DISCONNECT BUG_ONE_WRITE BUG_NO_GAP BUG_NO_PAIR \
    BUG_NO_WAIT NO_PING_LOOP FULL_STOP NO_MARKING; do
    refuted lease 24 $mutation -DT=4 -DTICK=2 -DNO_STRANGER
done
refuted lease 24 BUG_FAILED_MULTI -DT=4 -DTICK=2

holds succession succession 24 -DN=4 -DENTRIES=6
for mutation in NO_SECOND_LOOK LEAD_ON_EVENT WATCH_LEADER; do
    refuted succession 22 BUG_$mutation -DN=4 -DENTRIES=6
done
exit $failed
