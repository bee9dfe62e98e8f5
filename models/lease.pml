/* The lease: how long may a client act on "my ephemeral znode exists" without hearing anything?
 *
 * THE PROBLEM. The session lives in ZooKeeper's leader, which forgets it in a bucket of `TICK` after T of silence.
 * The client talks to a follower. A follower answers pings by itself, writes the touch into a table, and ships the
 * table only when the leader's own PING comes by. So an answered ping says nothing about the leader, and an
 * answered write says "not expired yet" but touches nothing. Any message may take any time; any connection may be
 * cut silently, which is the same as a message that takes for ever.
 *
 *      client           follower                      leader
 *      ping j      ->   touch      -> pong
 *      ping j+1    ->   touch      -> pong  (one of two touches may be lost to a race in the table)
 *      ... G later ...                          <-    PING (its loop sends one at least every G)
 *      write m     ->              ----------->
 *                       ships the table ------>  expiry := bucket(now + T)
 *                                          <-    COMMIT m, behind the PING on one FIFO
 *      ack m       <-
 *      write k     ->              ----------->  behind the table on one FIFO, so the touch is in
 *      ack k       <-                                           => lease_end := sent(j) + T
 *
 * THE RULE (tested here): an acknowledged write k proves the newest ping j for which some acknowledged write m was
 * sent G after the answer of the ping after j, and acknowledged before k was sent; all on one connection. Evidence that
 * comes after the lease end renews nothing. A handshake before the lease end is an anchor by itself; after it, only
 * together with the acknowledgement of a write sent a TICK or more after the handshake was answered.
 *
 * THE CLAIM. Once the leader has expired the session, the client does not act, at that instant or later. And when
 * a stranger deletes the znode (which no lease can foresee), the client stops within T.
 *
 * TIME is discrete; any number of steps happen at one instant. There is no absolute time: everything is kept as an age
 * or a remaining span, so the search covers runs of any length, not a horizon. An age of T or more is worthless
 * and stays at T. The leader's loop pings once per unit, at any point of it, hence two PINGs are less than 2 = G apart.
 *
 * THE LINES between follower and leader are FIFO. One write is under way at a time, so a line is: a PING (or a
 * shipped table) before the request, the request, one after it. Two of a kind in a row are one that takes as long as
 * the later: the earlier can only help. Between client and follower nothing relies on order, so none is kept.
 *
 * MUTATIONS (-D...), each must be refuted:
 *   BUG_LAST_WRITE    lease = last acknowledged write + T
 *   BUG_PING_REPLY    ping replies alone are proof
 *   BUG_LATE          evidence that comes after the lease end renews
 *   BUG_DISCONNECT    a timer of T is started when the connection is seen to be lost
 *   BUG_FAILED_MULTI  a failed multi (err 0 in its header) is taken for an acknowledgement
 *   BUG_ONE_WRITE     the write k is proof without a write m before it
 *   BUG_NO_GAP        m may be sent at once, without waiting for G
 *   BUG_NO_PAIR       ping j counts from its own answer, not from that of the next
 *   BUG_NO_WAIT       after a lapse, a write sent right after the handshake is proof
 * and assumptions, which must be needed (refuted when taken away):
 *   NO_PING_LOOP      A2: the leader's loop may starve while its pipeline goes on
 *   FULL_STOP         A2 again: the leader stops whole, and afterwards its pipeline runs before its ping loop
 *   NO_MARKING        A3: an expired session may stay unmarked for longer than a TICK
 * One variant must hold: KEEP_EVIDENCE keeps evidence across a re-attach (the handshake outdates all of it).
 * NO_STRANGER leaves the stranger out, so that a mutation must fall by the first claim alone. */

#ifndef T
#define T 5
#endif
#ifndef TICK
#define TICK 2
#endif

#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define OLDER(age) ((age) < T -> (age) + 1 : T)

/* ---- client ---- */
bool attached = true;  /* false: ConnectRequest sent, no ConnectResponse yet */
byte lease_left = T;   /* lease_end - now; may act while > 0 */
bool lapsed;           /* now > lease_end */
byte handshake = T;    /* age of the ConnectRequest, while its worth is not yet settled */
byte attached_for;     /* since the ConnectResponse, while handshake counts; up to TICK */

/* Evidence: ages of sent pings. */
byte last_ping = T;    /* the newest answered ping: no later one is answered yet */
byte paired_now = T;   /* newest j with ping j+1 answered in this unit, */
byte paired_before = T; /* in the unit before, */
byte paired_ripe = T;  /* G or more ago */
byte proved_m = T;     /* newest j behind which a write m has been acknowledged */

mtype = { IDLE, UP, DOWN, HELLO, WRITE, OK, FAIL, WELCOME };
mtype ping = IDLE;     /* IDLE, UP to the follower, DOWN to the client */
byte ping_sent = T;
mtype write = IDLE;    /* IDLE, UP to the follower, HELLO: passed on, OK or FAIL: on its way from follower to client */
#ifdef BUG_LAST_WRITE
byte write_sent = T;
#endif
byte write_as_m = T;   /* the j it will stand behind when acknowledged, as m and as k */
byte write_as_k = T;
bool write_as_wait;    /* it was sent TICK or more after the handshake */

/* ---- follower ---- */
bool touched;          /* the touch table */
bool lost_one;         /* the last touch was lost to the race; never two in a row */

/* ---- the FIFO lines ---- */
bool table_before, table_after; /* follower -> leader */
mtype request = IDLE;           /* HELLO or WRITE */
bool ping_before, ping_after;   /* leader -> follower */
mtype reply = IDLE;             /* WELCOME, OK, FAIL */

/* ---- leader ---- */
mtype = { ALIVE, POLLED, EXPIRED, REMOVED };
mtype session = ALIVE; /* POLLED: on the expiry thread's list, not yet marked as closing; REMOVED: by a stranger */
byte phase;            /* now modulo TICK */
byte expires_in;       /* bucket - now */
byte ended_for;        /* age of POLLED or REMOVED */
bool pinged;           /* its loop has run in this unit */
#ifdef FULL_STOP
bool worked;           /* anything else of it has */
#define WORK worked = true
#else
#define WORK skip
#endif

/* K1: (t + T) rounded up to the next bucket, strictly after t + T. */
#define BUCKET (((phase + T) / TICK + 1) * TICK - phase)

#ifdef BUG_LATE
#define IN_TIME true
#else
#define IN_TIME (!lapsed)
#endif
#ifdef BUG_NO_WAIT
#define WAITED true
#else
#define WAITED (attached_for >= TICK)
#endif
#ifdef BUG_NO_GAP
#define RIPE MIN(paired_ripe, MIN(paired_before, paired_now))
#else
#define RIPE paired_ripe
#endif

inline touch() {
    if
    :: session == ALIVE -> expires_in = BUCKET
    :: else /* returns true all the same, and nothing comes of it */
    fi
}

inline check_claim() {
    assert(session != EXPIRED || lease_left == 0);
    assert(session != REMOVED || ended_for <= T || lease_left == 0)
}

/* Evidence that would not move the lease end now never will, since both run down alike: exact, and it keeps the
 * search small. */
#define WORTH(age) (T - (age) > lease_left -> (age) : T)
#define UNLESS(newer, age) ((age) < (newer) -> (age) : T)

inline drop_worthless() {
    proved_m = WORTH(proved_m);
    paired_ripe = UNLESS(proved_m, WORTH(paired_ripe));
    paired_before = UNLESS(paired_ripe, UNLESS(proved_m, WORTH(paired_before)));
    paired_now = UNLESS(paired_before, UNLESS(paired_ripe, UNLESS(proved_m, WORTH(paired_now))));
    last_ping = WORTH(last_ping);
    ping_sent = WORTH(ping_sent);
    write_as_k = WORTH(write_as_k);
    write_as_m = UNLESS(proved_m, WORTH(write_as_m));
    if
    :: attached && !lapsed -> handshake = T
    :: else
    fi;
    if
    :: handshake == T -> attached_for = 0; write_as_wait = false
    :: else
    fi
}

inline renew(age) {
    if
    :: T - (age) > lease_left -> lease_left = T - (age); lapsed = false
    :: else
    fi;
    check_claim()
}

inline forget_evidence() {
    last_ping = T; paired_now = T; paired_before = T; paired_ripe = T; proved_m = T
}

inline acknowledged() {
    if
    :: IN_TIME ->
#if defined(BUG_LAST_WRITE)
        renew(write_sent)
#elif defined(BUG_ONE_WRITE)
        renew(write_as_m)
#else
        renew(write_as_k)
#endif
    :: else
    fi;
    if
    :: lapsed && write_as_wait -> renew(handshake)
    :: else
    fi;
    proved_m = MIN(proved_m, write_as_m)
}

inline end_write() {
    write = IDLE;
#ifdef BUG_LAST_WRITE
    write_sent = T;
#endif
    write_as_m = T; write_as_k = T; write_as_wait = false
}

active proctype client() {
end:
    do
    :: atomic { attached && ping == IDLE -> ping = UP; ping_sent = 0 }
    :: atomic {
        ping == DOWN ->
#ifdef BUG_NO_PAIR
        paired_now = MIN(paired_now, ping_sent);
#else
        paired_now = MIN(paired_now, last_ping);
#endif
        last_ping = ping_sent;
#ifdef BUG_PING_REPLY
        if
        :: !lapsed -> renew(ping_sent)
        :: else
        fi;
#endif
        ping = IDLE; ping_sent = T;
        drop_worthless()
      }
    :: atomic {
        attached && write == IDLE ->
        write = UP; write_as_m = RIPE; write_as_k = proved_m; write_as_wait = WAITED;
#ifdef BUG_LAST_WRITE
        write_sent = 0;
#endif
        drop_worthless()
      }
    :: atomic { write == OK -> acknowledged(); end_write(); drop_worthless() }
    :: atomic {
        write == FAIL ->
#ifdef BUG_FAILED_MULTI
        acknowledged();
#endif
        end_write();
        drop_worthless()
      }
    /* The connection is lost or given up, at any moment; the next one is to another follower. */
    :: atomic {
        attached -> attached = false; handshake = 0; attached_for = 0;
#ifdef BUG_DISCONNECT
        if
        :: !lapsed -> renew(0)
        :: else
        fi;
#endif
#ifndef KEEP_EVIDENCE
        forget_evidence();
#endif
        ping = IDLE; ping_sent = T; end_write();
        touched = false; lost_one = false;
        table_before = false; table_after = false; ping_before = false; ping_after = false;
        reply = IDLE; request = HELLO;
        drop_worthless()
      }
    :: atomic {
        !attached && write == WELCOME -> attached = true; write = IDLE;
        if
        :: IN_TIME -> renew(handshake)
        :: else
        fi;
        drop_worthless()
      }
    od
}

active proctype follower() {
end:
    do
    :: atomic {
        ping == UP -> ping = DOWN;
        if
        :: touched = true; lost_one = false
        :: !lost_one && !touched -> lost_one = true
        fi
      }
    /* A write: forwarded. That it touches the table as well is left out, since it could only help. */
    :: atomic { write == UP && request == IDLE -> write = HELLO; request = WRITE }
    :: atomic {
        ping_before -> ping_before = false;
        if
        :: touched && request == IDLE -> table_before = true; touched = false
        :: touched && request != IDLE -> table_after = true; touched = false
        :: else
        fi
      }
    :: atomic {
        !ping_before && reply != IDLE -> write = reply; reply = IDLE;
        ping_before = ping_after; ping_after = false
      }
    od
}

active proctype leader() {
    expires_in = BUCKET;
end:
    do
    :: atomic {
        !pinged -> pinged = true;
        if
        :: reply == IDLE -> ping_before = true
        :: else -> ping_after = true
        fi
      }
    :: atomic { table_before -> WORK; table_before = false; touch() }
    :: atomic {
        !table_before && request == WRITE ->
        WORK;
        reply = (session == EXPIRED || session == REMOVED -> FAIL : OK);
        request = IDLE; table_before = table_after; table_after = false
      }
    /* REVALIDATE touches at once. (After a stranger's deletion no handshake is let through: see README.md.) */
    :: atomic {
        request == HELLO && session != EXPIRED && session != REMOVED ->
        WORK; touch(); reply = WELCOME; request = IDLE
      }
    :: atomic { session == ALIVE && expires_in == 0 -> session = POLLED; ended_for = 0 }
    :: atomic { session == POLLED -> WORK; session = EXPIRED; ended_for = 0; check_claim() }
#ifndef NO_STRANGER
    /* K7: somebody else deletes the znode. */
    :: atomic { session == ALIVE && attached -> session = REMOVED; ended_for = 0; expires_in = 0 }
#endif
    od
}

#ifdef NO_PING_LOOP
#define LOOP_HAS_RUN true
#elif defined(FULL_STOP)
#define LOOP_HAS_RUN (pinged || !worked)
#else
#define LOOP_HAS_RUN pinged
#endif
#ifdef NO_MARKING
#define MARKED true
#else
#define MARKED (session != POLLED || ended_for + 1 < TICK)
#endif

active proctype time() {
end:
    do
    :: atomic {
        LOOP_HAS_RUN && MARKED ->
        pinged = false;
#ifdef FULL_STOP
        worked = false;
#endif
        phase = (phase + 1) % TICK;
        expires_in = (expires_in > 0 -> expires_in - 1 : 0);
        if
        :: session == POLLED && ended_for < TICK -> ended_for++
        :: session == REMOVED && ended_for <= T -> ended_for++
        :: else
        fi;
        phase = (session == ALIVE -> phase : 0);
        lapsed = lapsed || lease_left == 0;
        lease_left = (lease_left > 0 -> lease_left - 1 : 0);
        handshake = OLDER(handshake);
        attached_for = (attached && handshake < T && attached_for < TICK -> attached_for + 1 : attached_for);
        last_ping = OLDER(last_ping);
        paired_ripe = MIN(OLDER(paired_ripe), OLDER(paired_before));
        paired_before = OLDER(paired_now);
        paired_now = T;
        proved_m = OLDER(proved_m);
        ping_sent = OLDER(ping_sent);
#ifdef BUG_LAST_WRITE
        write_sent = OLDER(write_sent);
#endif
        write_as_m = OLDER(write_as_m);
        write_as_k = OLDER(write_as_k);
        drop_worthless();
        check_claim()
      }
    od
}
