/*
 * SM-SR Change between four parties, each message and each party of which may be lost.
 *
 * Honest (the default): up to FAULTS times a message is lost, a packet to the card or its answer is
 * lost, a party dies (and loses what it was just told; what it had committed stays) or a validity
 * period ends too early, or a receipt is so late that the period of its change ends before. A card
 * has room for ROOM key sets, and Alpha clears a full one. The operator orders the change again until
 * it is done: once more for each fault, and for each time that a card can be full. Then it must be done.
 *
 * -DHOSTILE: Alpha is not a party but an adversary. It holds KS1, sees every message, says to
 * anybody what it likes as often as it likes, plants key sets of its own in the card, deletes any,
 * drops Beta's packets to the card, and never has to stop. What it cannot do is what the arithmetic
 * forbids: make a receipt for a key set that the card did not derive, sign for Beta, or speak under KS2.
 *
 * -DSEED=n breaks one rule of the procedure; the monitor must find it. -DREACH claims that
 * the change never succeeds; finding the opposite shows that the model is not empty.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef SEED
#define SEED 0
#endif

#define ROOM  3 /* key sets in a card, KS1 among them */
#ifdef HOSTILE
#define TRIES (FAULTS + 1)
#else
#define TRIES (FAULTS + 1 + FAULTS / (ROOM - 2)) /* ROOM - 2: beside KS1 and a set that waits for a receipt */
#endif
#define QUEUE 4 /* never full */
#define KVNS  (TRIES + 2) /* 1 is KS1, then one a try */
#ifdef HOSTILE
#define RCS 2 /* challenges that it asks for, at most */
#else
#define RCS TRIES
#endif

#define RECEIPT_UNCHECKED  (SEED == 1)  /* Beta takes any receipt */
#define DELETES_THE_LISTED (SEED == 2)  /* Finalise deletes what it should keep */
#define FAILS_AFTER_COMMIT (SEED == 3)  /* Beta answers Failed when Finalise does not come back */
#define DROPS_EIS_EARLY    (SEED == 4)  /* Alpha deletes its EIS when the period ends */
#define DELETES_AT_ONCE    (SEED == 5)  /* the second STORE DATA deletes existing keys (b1) */
#define BELIEVES_SILENCE   (SEED == 6)  /* Beta reports success without a proof of receipt */
#define REUSES_KVN         (SEED == 7)  /* Beta signs again for a key version number it used */
#define FORGETS_COMMIT     (SEED == 8)  /* Beta restarts without the receipt it had verified */
#define DENIES_MANAGED     (SEED == 9)  /* Beta refuses the retry of a change that it has completed */
#define SPARES_PLANTED     (SEED == 10) /* the card deletes KS1 alone, and Beta does not look */

#define NEVER_CLEARS       (SEED == 11) /* Alpha leaves a full card as it is */
#define CLEARS_ALL         (SEED == 12) /* Alpha clears a set, too, whose receipt it has passed on */

#define DELETED(i, k)                                                                              \
    ((DELETES_THE_LISTED && i == k) || (!DELETES_THE_LISTED && i != k &&                           \
                                        !(SPARES_PLANTED && set[i] == PLANTED)))

#ifdef HOSTILE /* who can lose what he likes, as often as he likes */
#define MAY_FAULT true
#define FAULT     skip
#define EXPIRES   true
#else
#define MAY_FAULT (faults > 0)
#define FAULT     faults--
#define EXPIRES   timeout
/* The operator's patience is longer than the validity period that it gave. */
#define GIVES_UP  (timeout && a_state == IDLE && (b_state == IDLE || b_state == DONE))
#endif

mtype = { PREPARE, PREPARED, CHANGE, CHANGE_ANSWER, HANDOVER, HANDOVER_ANSWER, AUTHENTICATE,
          AUTH_ANSWER, CREATE, RECEIPT };
mtype = { NOTHING, SUCCESS, WARNING, FAILED, EXPIRED, MANAGED, GENUINE, FORGED };
mtype = { NONE, OLD, NEW, PLANTED };                                         /* a key set */
mtype = { IDLE, RUNNING, READY, WAIT_RC, WAIT_RECEIPT, FINALISING, DONE }; /* a party */

/* message, try, result, number (KVN or RC) */
chan to_beta = [QUEUE] of { mtype, byte, mtype, byte };
chan to_alpha = [QUEUE] of { mtype, byte, mtype, byte };
chan to_operator = [QUEUE] of { mtype, byte, mtype, byte };

byte faults = FAULTS;

inline send(link, message, t, result, number)
{
#ifndef HOSTILE /* who knows what is said anyway */
    if
    :: link!message(t, result, number)
    :: faults > 0 -> faults--
    fi
#else
    skip
#endif
}

/* -- the card: what one command does, it does at once -- */

mtype set[KVNS] = NONE;
bool receipt_made[KVNS]; /* the card derived NEW under this number */
byte live_rc, last_rc;
byte signed_rc[KVNS]; /* what SK.SR.ECDSA signed for this number; 0: nothing */

inline card_certificate()
{
    if
    :: last_rc < RCS -> last_rc++; live_rc = last_rc
    :: else -> live_rc = 0
    fi
}

inline card_establish(k, taken)
{
    taken = (live_rc != 0 && signed_rc[k] == live_rc && set[k] == NONE);
    live_rc = 0;
    if
    :: taken ->
        set[k] = NEW;
        receipt_made[k] = true;
        if
        :: DELETES_AT_ONCE -> set[1] = NONE
        :: else
        fi
    :: else
    fi
}

/* Under the key set k, which must be there to be obeyed; k is listed, and listed sets stay. */
inline card_finalise(k, obeyed)
{
    obeyed = (set[k] == NEW);
    i = 1;
    do
    :: obeyed && i < KVNS && DELETED(i, k) -> set[i] = NONE; i++
    :: obeyed && i < KVNS && !DELETED(i, k) -> i++
    :: else -> break
    od;
    i = 0
}

#ifndef HOSTILE /* who has room whenever he wants it */
/* A receipt that is lost for good passes nothing on: its ticket's time will be over. */
bool passed_on[KVNS];
byte late; /* the number of a receipt that is still under way though its change has ended; 0: none */

inline card_count(sets)
{
    sets = 0;
    i = 1;
    do
    :: i < KVNS && set[i] != NONE -> sets++; i++
    :: i < KVNS && set[i] == NONE -> i++
    :: else -> break
    od;
    i = 0
}

/* FinaliseISDRhandover under KS1, which keeps KS1 and what may be Beta's. */
inline card_clear()
{
    i = 2;
    do
    :: i < KVNS && !NEVER_CLEARS && (CLEARS_ALL || !passed_on[i]) -> set[i] = NONE; i++
    :: i < KVNS && (NEVER_CLEARS || (!CLEARS_ALL && passed_on[i])) -> i++
    :: else -> break
    od;
    i = 0
}
#endif

#define ALPHA_OPENS(k) (k < KVNS && (set[k] == OLD || set[k] == PLANTED)) /* it has the keys */

/* -- Beta: everything but i and ok is in its database -- */

mtype b_state = IDLE;
byte b_try, b_kvn, b_next = 2;
bool b_commands, b_success; /* receipt verified; Executed-Success answered */
byte b_key;                 /* the key version number that it commands with */

inline b_answer(t, result)
{
    assert(!(b_commands && (result == FAILED || result == EXPIRED)));
    send(to_alpha, HANDOVER_ANSWER, t, result, 0)
}

inline b_commit(k)
{
    b_commands = true;
    b_key = k;
    b_state = FINALISING
}

/* Steps 24 and 25, and the key information template after them: packet or answer may be lost. */
inline b_finalise()
{
    ok = false;
    if
    :: true -> card_finalise(b_key, ok)
    :: MAY_FAULT -> FAULT
    :: MAY_FAULT -> FAULT; card_finalise(b_key, ok); ok = false
    fi;
    b_state = DONE;
    if
    :: ok || BELIEVES_SILENCE -> b_success = true; b_answer(b_try, SUCCESS)
    :: !ok && FAILS_AFTER_COMMIT -> b_answer(b_try, FAILED)
    :: else -> b_answer(b_try, WARNING)
    fi
}

proctype beta()
{
    byte t, n, i;
    mtype result, said = NOTHING;
    bool ok;
end:
    do
    :: atomic { faults > 0 && nempty(to_beta) -> /* dies over a message */
           faults--;
           to_beta?said, t, result, n;
#ifndef HOSTILE
           if
           :: said == RECEIPT -> passed_on[n] = false
           :: else
           fi;
#endif
           said = NOTHING;
           if
           :: FORGETS_COMMIT && b_commands -> b_commands = false; b_state = IDLE
           :: else
           fi
       }
    :: atomic { to_beta?PREPARE, t, result, n ->
           if
           :: b_commands -> send(to_operator, PREPARED, t, MANAGED, 0)
           :: !b_commands && (b_state == WAIT_RC || b_state == WAIT_RECEIPT) -> /* another runs */
               send(to_operator, PREPARED, t, FAILED, 0)
           :: else -> b_try = t; b_state = READY; send(to_operator, PREPARED, t, SUCCESS, 0)
           fi
       }
    :: atomic { to_beta?HANDOVER, t, result, n ->
           if
           :: b_commands && !DENIES_MANAGED && b_state == DONE -> b_answer(t, MANAGED)
           :: b_commands && DENIES_MANAGED -> b_answer(t, FAILED)
           :: b_commands && b_state == FINALISING -> b_try = t
           :: !b_commands && b_state == READY && b_try == t && b_next < KVNS ->
               b_kvn = b_next;
               b_next = (REUSES_KVN -> b_next : b_next + 1);
               b_state = WAIT_RC;
               send(to_alpha, AUTHENTICATE, t, NOTHING, 0)
           :: else -> skip
           fi
       }
    :: atomic { to_beta?AUTH_ANSWER, t, result, n ->
           if
           :: b_state == WAIT_RC && b_try == t && n != 0 ->
               assert(signed_rc[b_kvn] == 0);
               signed_rc[b_kvn] = n;
               b_state = WAIT_RECEIPT;
               send(to_alpha, CREATE, t, NOTHING, b_kvn)
           :: b_state == WAIT_RC && b_try == t && n == 0 ->
               b_state = IDLE;
               b_answer(t, FAILED)
           :: else
           fi
       }
    :: atomic { to_beta?RECEIPT, t, result, n ->
           if /* the ticket of any try is confirmable */
           :: !b_commands && signed_rc[n] != 0 && (result == GENUINE || RECEIPT_UNCHECKED) ->
               b_commit(n)
           :: !b_commands && result != GENUINE && !RECEIPT_UNCHECKED && b_state == WAIT_RECEIPT &&
              b_try == t ->
               b_state = IDLE;
               b_answer(t, FAILED)
           :: else
           fi
       }
    :: atomic { b_state == FINALISING -> b_finalise() }
#ifndef HOSTILE
    :: atomic { late != 0 ->
           n = late;
           late = 0;
           if
           :: !b_commands && signed_rc[n] != 0 -> b_commit(n)
           :: else
           fi
       }
#endif
    :: atomic { (b_state == READY || b_state == WAIT_RC || b_state == WAIT_RECEIPT) && EXPIRES ->
           b_state = IDLE
       }
    :: atomic { (b_state == READY || b_state == WAIT_RC || b_state == WAIT_RECEIPT) && faults > 0 ->
           faults--;
           b_state = IDLE
       }
    od
}

/* -- Alpha -- */

bool alpha_has = true; /* its EIS and KS1 */
mtype a_state = IDLE;

#ifndef HOSTILE
inline a_expire()
{
    a_state = IDLE;
    if
    :: DROPS_EIS_EARLY -> alpha_has = false
    :: else
    fi;
    send(to_operator, CHANGE_ANSWER, a_try, EXPIRED, 0)
}

/* The receipt goes out, is lost for good, or comes when both periods are over. */
inline a_pass_on(t, k)
{
    if
    :: true -> passed_on[k] = true; to_beta!RECEIPT(t, GENUINE, k)
    :: faults > 0 -> faults--
    :: faults > 0 && late == 0 ->
        faults--;
        passed_on[k] = true;
        late = k;
        if
        :: b_state == WAIT_RECEIPT && b_try == t -> b_state = IDLE
        :: else
        fi;
        a_expire()
    fi
}

proctype alpha()
{
    byte t, n, a_try, i, sets;
    mtype result;
    bool ok;
end:
    do
    :: atomic { faults > 0 && nempty(to_alpha) -> faults--; to_alpha?_, t, result, n }
    :: atomic { to_alpha?CHANGE, t, result, n ->
           if
           :: !alpha_has -> send(to_operator, CHANGE_ANSWER, t, MANAGED, 0)
           :: alpha_has && a_state == RUNNING -> send(to_operator, CHANGE_ANSWER, t, FAILED, 0)
           :: else -> a_state = RUNNING; a_try = t; send(to_beta, HANDOVER, t, NOTHING, 0)
           fi
       }
    :: atomic { to_alpha?AUTHENTICATE, t, result, n ->
           if
           :: a_state == RUNNING && a_try == t ->
               n = 0;
               if
               :: true -> card_certificate(); n = live_rc
               :: faults > 0 -> faults--; card_certificate()
               :: faults > 0 -> faults--
               fi;
               send(to_beta, AUTH_ANSWER, t, NOTHING, n)
           :: else
           fi
       }
    :: atomic { to_alpha?CREATE, t, result, n ->
           if
           :: a_state == RUNNING && a_try == t ->
               ok = false;
               card_count(sets);
               if
               :: sets < ROOM -> card_establish(n, ok)
               :: sets < ROOM && faults > 0 -> faults--; card_establish(n, ok); ok = false
               :: sets == ROOM -> live_rc = 0; card_clear()
               :: sets == ROOM && faults > 0 -> faults--; live_rc = 0
               :: faults > 0 -> faults--
               fi;
               sets = 0;
               if
               :: ok -> a_pass_on(t, n)
               :: else -> send(to_beta, RECEIPT, t, FORGED, n)
               fi
           :: else
           fi
       }
    :: atomic { to_alpha?HANDOVER_ANSWER, t, result, n ->
           if
           :: a_state == RUNNING && a_try == t ->
               a_state = IDLE;
               if
               :: result == FAILED
               :: else -> alpha_has = false
               fi;
               send(to_operator, CHANGE_ANSWER, t, result, 0)
           :: else
           fi
       }
    :: atomic { a_state == RUNNING && EXPIRES -> a_expire() }
    :: atomic { a_state == RUNNING && faults > 0 -> faults--; a_expire() }
    od
}
#else
proctype hostile() /* and the operator, who orders TRIES times */
{
    byte k, n;
    bool ok;
    do
    :: atomic { /* two numbers, then something to do with them */
           k = 1;
           do
           :: k < KVNS - 1 -> k++
           :: break
           od;
           n = 1;
           do
           :: n < KVNS - 1 -> n++
           :: break
           od;
           if
           :: ALPHA_OPENS(n) && last_rc < RCS -> card_certificate()
           :: ALPHA_OPENS(n) -> card_establish(k, ok)
           :: ALPHA_OPENS(n) && set[k] == NONE -> set[k] = PLANTED
           :: ALPHA_OPENS(n) && k != n -> set[k] = NONE
           :: empty(to_beta) && b_try < TRIES -> to_beta!PREPARE(b_try + 1, NOTHING, 0)
           :: empty(to_beta) -> to_beta!HANDOVER(b_try, NOTHING, 0)
           :: empty(to_beta) && last_rc != 0 -> to_beta!AUTH_ANSWER(b_try, NOTHING, last_rc)
           :: empty(to_beta) -> to_beta!AUTH_ANSWER(b_try, NOTHING, 0)
           :: empty(to_beta) && receipt_made[k] -> to_beta!RECEIPT(b_try, GENUINE, k)
           :: empty(to_beta) -> to_beta!RECEIPT(b_try, FORGED, k)
           fi;
           k = 0;
           n = 0;
           ok = false
       }
    od
}
#endif

/* -- the operator -- */

#ifndef HOSTILE

byte op_try;
bool op_done;

proctype fleet_owner()
{
    byte t, n;
    mtype result;
    do
    :: op_done || op_try == TRIES -> break
    :: else ->
        op_try++;
        atomic { send(to_beta, PREPARE, op_try, NOTHING, 0) };
        result = NOTHING;
        do
        :: to_operator?PREPARED, t, result, n ->
            if
            :: t == op_try -> break
            :: else -> result = NOTHING
            fi
        :: to_operator?CHANGE_ANSWER, t, _, n
        :: GIVES_UP -> result = EXPIRED; break
        od;
        if
        :: result == EXPIRED
        :: result == FAILED -> GIVES_UP; op_try-- /* asks once more, later */
        :: else ->
            atomic { send(to_alpha, CHANGE, op_try, NOTHING, 0) };
            do
            :: to_operator?CHANGE_ANSWER, t, result, n ->
                if
                :: t == op_try && (result == SUCCESS || result == WARNING || result == MANAGED) ->
                    op_done = true; break
                :: t == op_try && (result == FAILED || result == EXPIRED) -> break
                :: else
                fi
            :: to_operator?PREPARED, t, result, n
            :: GIVES_UP -> break
            od
        fi
    od;
    /* Exactly one Commander, the new one, after as many losses as there may be. */
    assert(op_done && b_commands && !alpha_has);
end:
    do
    :: to_operator?_, t, result, n /* what is still under way arrives */
    od
}
#endif

/* -- what always holds -- */


proctype monitor()
{
end:
    do
    :: b_commands && !receipt_made[b_key] -> assert(false) /* a commit without a receipt */
    :: b_success && (set[b_key] != NEW || ALPHA_OPENS(1) || ALPHA_OPENS(2) || ALPHA_OPENS(3)) ->
        assert(false) /* the ISD-R is not Beta's alone */
#ifndef HOSTILE
    :: !alpha_has && !b_commands -> assert(false) /* an eUICC without a Commander */
    :: !(alpha_has && set[1] == OLD) && !(b_commands && set[b_key] == NEW) ->
        assert(false) /* an eUICC that obeys no Commander */
#endif
#ifdef REACH
    :: b_success -> assert(false)
#endif
    od
}

init
{
    atomic {
        set[1] = OLD;
        run monitor();
        run beta();
#ifdef HOSTILE
        run hostile()
#else
        run alpha();
        run fleet_owner()
#endif
    }
}
