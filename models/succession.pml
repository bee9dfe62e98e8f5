/* Succession: the candidate with the lowest sequence leads, and each watches its predecessor only.
 *
 * THE PROBLEM. Every candidate holds an ephemeral sequential znode. If all watched the leader's, its end would wake
 * the whole cluster; so each watches the next lower one only. Two things go wrong. (1) The predecessor that ends need
 * not be the leader: whoever wakes must list again, not lead. (2) The predecessor may end between the list and
 * the watch: then no event comes, and the candidate must list again by itself, or nobody leads for ever.
 *
 *      list -> lowest? yes: lead
 *                      no:  exists(predecessor, watch) -> there: wait for the event -> list
 *                                                      -> gone:  list at once
 *
 * THE CLAIMS. Who takes itself for the leader has no living znode below its own (S3 makes the rest harmless);
 * and when nothing more happens, a candidate that lives is led: the lowest leads (no lost wake-up).
 * A candidate may crash or queue again (delete its znode, take a new sequence) at any step.
 *
 * MUTATIONS (-D...), each must be refuted:
 *   BUG_NO_SECOND_LOOK  predecessor gone when the watch is set: waits all the same
 *   BUG_LEAD_ON_EVENT   leads when its predecessor goes, without a list
 *   BUG_WATCH_LEADER   watches the leader's znode instead of the predecessor's, and leads when it goes */

#ifndef N
#define N 4
#endif
#ifndef ENTRIES
#define ENTRIES 6 /* sequences given out in all; N at first, the rest to those who queue again */
#endif
#define NONE 255

bool alive[ENTRIES]; /* the znodes, by sequence */
byte given;          /* the next sequence */
byte mine[N];        /* sequence of each candidate; NONE: not in the queue */
byte watching[N];    /* armed watch: on that sequence */
bool woken[N];
mtype = { LISTING, SETTING, WAITING, LEADING, OUT };
mtype at[N];

inline enter(m) { mine[m] = given; alive[given] = true; given++; at[m] = LISTING }

/* The znode of m goes; whoever watches it is told. Which event arrives when is the candidate's own step. */
inline leave(m) {
    alive[mine[m]] = false;
    k = 0;
    do
    :: k < N ->
        if
        :: watching[k] == mine[m] -> watching[k] = NONE; woken[k] = true
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0; mine[m] = NONE; watching[m] = NONE; woken[m] = false; at[m] = OUT; below = NONE
}

/* below := the living sequence that m has to watch, or NONE. */
inline list(m) {
    below = NONE;
    k = 0;
    do
    :: k < mine[m] ->
#ifdef BUG_WATCH_LEADER
        if
        :: alive[k] && below == NONE -> below = k
        :: else
        fi;
#else
        if
        :: alive[k] -> below = k
        :: else
        fi;
#endif
        k++
    :: else -> break
    od;
    k = 0
}

inline lead(m) {
    k = 0;
    do
    :: k < mine[m] -> assert(!alive[k]); k++
    :: else -> break
    od;
    k = 0; at[m] = LEADING
}

proctype candidate(byte me) {
    byte k;
    byte below = NONE;
end:
    do
    :: atomic {
        at[me] == LISTING -> list(me);
        if
        :: below == NONE -> lead(me)
        :: else -> at[me] = SETTING
        fi
      }
    :: atomic {
        at[me] == SETTING ->
        if
        :: alive[below] -> watching[me] = below; at[me] = WAITING
#ifdef BUG_NO_SECOND_LOOK
        :: else -> at[me] = WAITING
#else
        :: else -> at[me] = LISTING
#endif
        fi;
        below = NONE
      }
    :: atomic {
        at[me] == WAITING && woken[me] -> woken[me] = false;
#if defined(BUG_LEAD_ON_EVENT) || defined(BUG_WATCH_LEADER)
        lead(me)
#else
        at[me] = LISTING
#endif
      }
    :: atomic { at[me] != OUT -> leave(me) }
    :: atomic { at[me] == OUT && given < ENTRIES -> enter(me) }
    od
}

/* No lost wake-up: while somebody is in the queue, somebody leads or is on its way to look. */
#define MOVES(m) (at[m] == LISTING || at[m] == SETTING || at[m] == LEADING || woken[m])

active proctype observer() {
    byte k, queued, moving;
end:
    atomic {
        given >= N ->
        do
        :: k < N ->
            if
            :: at[k] != OUT -> queued++
            :: else
            fi;
            if
            :: at[k] != OUT && MOVES(k) -> moving++
            :: else
            fi;
            k++
        :: else -> break
        od;
        assert(queued == 0 || moving > 0)
    }
}

init {
    byte m;
    atomic {
        do
        :: m < N -> enter(m); watching[m] = NONE; run candidate(m); m++
        :: else -> break
        od;
        m = 0
    }
}
