/* The hand-over of one partition: at no instant do two members act on it.
 *
 * THE PROBLEM. A leader writes numbered plans. Each plan has one entry for the partition p: who owns it, under
 * which fence, and which former owners are not yet known to have let go (`waits`). Members read plans late, skip
 * some, lose their session at any moment, and the leader itself may be deposed between any two writes. Still only
 * one member may act on p, and each one that starts to act must hold a larger fence than all before it.
 *
 *      leader      plan 1: A, fence 1        plan 2: B, fence 2, waits {A}
 *      A           acts under 1 ......... reads plan 2, stops, drains, publishes through = 2
 *      B                                  reads plan 2, looks at A: not released ... released -> acts under 2
 *
 * WHO IS WHO. A member here is one incarnation: ids are never used twice, so `gone` is true for ever once true.
 * The second stable fact is "m has released p up to n": through[m] >= n. Everything decided rests on these two.
 * There is no leader's memory: any plan may be written by any leader that knows any true, perhaps old, facts. So
 * a leader change between all steps is covered without being a step. It shows as the leader's freedom to leave a
 * member out of `waits` or to keep it there, although the facts would allow leaving it out.
 *
 * THE TWO THINGS THAT GO WRONG. (1) Forgetting somebody: A -> B -> C quickly, B never acted, and C is told to wait
 * for B only, while A still drains. Therefore `waits` is carried from plan to plan. (2) Believing too much: that
 * an owner which published through = 5 while it was acting has let go of fence 5; that a member whose number is
 * large enough for one plan is past another; that a missing znode means a release. Each is a mutation below.
 *
 * REJECTED. Leases per partition (no bound on the gap of a planned move, and a write per partition), and having
 * the leader wait for a release before it writes the next plan (then leaders have a state that a change loses).
 *
 * MUTATIONS (-D...), each must be refuted:
 *   BUG_DROPWAIT   the leader forgets a wait although it has not seen the release
 *   BUG_ABSENT     a member that has published nothing is read as one that has released
 *   BUG_REUSE      a new session comes back under the id of the old one
 *   BUG_SAMEFENCE  a cancelled move gives the old fence back
 *   BUG_LEASE      the member's znodes may go before its lease ends
 *   BUG_ACKEARLY   the release is published before the member has stopped
 *   BUG_PREPARE    a release is judged by the number of the preceding (prepare) plan instead of the own fence
 *   BUG_OWNERACK   the leader leaves the present owner out because its `through` reaches the old fence
 *
 * SIZE. N members, plans 1..PLANS; plan 1 (member 0 owns p and acts) is given, the leader writes PLANS - 1 more. */

#ifndef N
#define N 3
#endif
#ifndef PLANS
#define PLANS 3
#endif
#define NOBODY N

#define BIT(m)      (1 << (m))
#define HAS(set, m) (((set) >> (m)) & 1)

/* The plans: entry n is what plan n says about p. Written once, by the leader only. */
byte owner[PLANS + 1], fence[PLANS + 1], waits[PLANS + 1];
byte newest = 1;

/* The members. `acts` is what S1 speaks of: valid() is true, or a guard is still held while the handler drains. */
byte seen[N];     /* the newest plan it has read */
byte through[N];  /* its status: it has released p up to this plan number */
bool gone[N];     /* its znodes are deleted */
bool lease[N];    /* its lease holds; once over, over for ever, since the next session is another member */
bool acts[N];
byte under[N];    /* the fence it acts under */
byte highest = 1; /* the largest fence anybody has acted under */

#ifdef BUG_SAMEFENCE
byte last_fence[N];
#endif
#ifdef BUG_REUSE
bool reborn[N];
#endif
#ifdef BUG_PREPARE
byte prepared[PLANS + 1]; /* the number of the plan that announced the move */
#endif

/* Has m, as anybody can read it, let go of p for all fences before that of plan n? */
#if defined(BUG_PREPARE)
#define RELEASED(m, n) (through[m] >= prepared[n])
#elif defined(BUG_ABSENT)
#define RELEASED(m, n) (through[m] >= fence[n] || through[m] == 0)
#else
#define RELEASED(m, n) (through[m] >= fence[n])
#endif

#define ENTRY_SAYS(m)   (owner[seen[m]] == (m))
#define HOLDS_NEWEST(m) (ENTRY_SAYS(m) && fence[seen[m]] == under[m])
#ifdef BUG_ACKEARLY
#define MAY_PUBLISH(m) true
#else
#define MAY_PUBLISH(m) (!acts[m] || HOLDS_NEWEST(m))
#endif

/* Rule 2, the waits of plan n: is every member in them gone, or has it released p up to the fence of plan n? */
inline look_at_waits(n, all_let_go) {
    all_let_go = true;
    k = 0;
    do
    :: k < N ->
        if
        :: HAS(waits[n], k) && !gone[k] && !RELEASED(k, n) -> all_let_go = false
        :: else
        fi;
        k++
    :: else -> break
    od
}

/* S1 and S2, looked at whenever somebody starts to act. */
inline start_acting(m) {
    acts[m] = true;
    under[m] = fence[seen[m]];
    assert(under[m] > highest); /* S2 */
    highest = under[m];
    k = 0;
    do
    :: k < N -> assert(k == m || !acts[k]); /* S1 */ k++
    :: else -> break
    od
}

proctype member(byte me) {
    byte k;
    bool all_let_go;
end:
    do
    /* Reads a later plan; any number of plans may be skipped. */
    :: atomic {
        !gone[me] && seen[me] < newest -> seen[me]++;
        do
        :: seen[me] < newest -> seen[me]++
        :: break
        od
      }
    /* Rule 3: the newest entry read is no longer (me, fence). The time until this step is the drain. */
    :: atomic { acts[me] && !HOLDS_NEWEST(me) -> acts[me] = false;
#ifdef BUG_SAMEFENCE
        last_fence[me] = under[me];
#endif
        under[me] = 0
      }
    /* Rule 3, published: only when nothing of p runs here any more, or what runs is what the plan read allows. */
    :: atomic {
        !gone[me] && through[me] < seen[me] && MAY_PUBLISH(me) -> through[me] = seen[me]
      }
    /* Rule 2. */
    :: atomic {
        !gone[me] && !acts[me] && lease[me] && ENTRY_SAYS(me) ->
        look_at_waits(seen[me], all_let_go);
        if
        :: all_let_go -> start_acting(me)
        :: else
        fi;
        all_let_go = false;
        k = 0
      }
    /* The lease ends at any moment, and with it every act, with no call to anyone. */
    :: atomic { lease[me] -> lease[me] = false; acts[me] = false; under[me] = 0 }
    /* The znodes go at any moment after that. What was read and published is then of no more interest. */
#ifdef BUG_LEASE
    :: !gone[me] -> gone[me] = true
#else
    :: atomic { !lease[me] && !gone[me] -> gone[me] = true; seen[me] = 0; through[me] = 0 }
#endif
#ifdef BUG_REUSE
    :: atomic { gone[me] && !reborn[me] -> reborn[me] = true; gone[me] = false; lease[me] = true }
#endif
    od
}

/* Rule 1: writes plan newest + 1 with the entry (to, its number, the former waits and the former owner, but `to`).
 * `to` is a member or NOBODY (a drain, a quarantine, an owner that is gone). */
inline write_move(to) {
    former = owner[newest];
    w = waits[newest];
    if
    :: former != NOBODY -> w = w | BIT(former)
    :: else
    fi;
    k = 0;
    do
    :: k < N ->
        if /* may leave k out, knowing the fact, or keep k in, not knowing it yet */
        :: HAS(w, k) && gone[k] -> w = w & ~BIT(k)
#ifdef BUG_OWNERACK
        :: HAS(w, k) && through[k] >= fence[newest] -> w = w & ~BIT(k)
#else
        :: HAS(w, k) && k != former && through[k] >= fence[newest] -> w = w & ~BIT(k)
#endif
#ifdef BUG_DROPWAIT
        :: HAS(w, k) && k != former -> w = w & ~BIT(k)
#endif
        :: skip
        fi;
        k++
    :: else -> break
    od;
    owner[newest + 1] = to;
    waits[newest + 1] = (to == NOBODY -> w : w & ~BIT(to));
#ifdef BUG_SAMEFENCE
    fence[newest + 1] = (to != NOBODY && last_fence[to] != 0 -> last_fence[to] : newest + 1);
#else
    fence[newest + 1] = newest + 1;
#endif
#ifdef BUG_PREPARE
    prepared[newest + 1] = fence[newest];
#endif
    newest++
}

/* A plan that changes other partitions: the entry stays as it is, the number grows. */
inline write_other() {
    owner[newest + 1] = owner[newest];
    fence[newest + 1] = fence[newest];
    waits[newest + 1] = waits[newest];
#ifdef BUG_PREPARE
    prepared[newest + 1] = prepared[newest];
#endif
    newest++
}

proctype leader() {
    byte k, to, w, former;
    do
    :: newest < PLANS -> atomic {
        if
        :: write_other()
        :: select(to : 0 .. NOBODY); /* also back to a former owner, and while an earlier move is unfinished */
            if
            :: to != owner[newest] -> write_move(to)
            :: else
            fi
        fi;
        k = 0; to = 0; w = 0; former = 0
      }
    :: else -> break
    od
}

init {
    byte m;
    atomic {
        owner[0] = NOBODY; /* plan 0: none read yet */
        owner[1] = 0; fence[1] = 1;
#ifdef BUG_PREPARE
        prepared[1] = 1;
#endif
        seen[0] = 1; acts[0] = true; under[0] = 1;
        do
        :: m < N -> lease[m] = true; run member(m); m++
        :: else -> break
        od;
        run leader();
        m = 0
    }
}
