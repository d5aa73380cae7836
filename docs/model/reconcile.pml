/*
 * The reconcile protocol: rows of weir.dirty, try-lock, nudge, and look again. README.md beside this file says which
 * function or query each step is, and what is left out.
 *
 * A trigger is something that a transaction has committed and that reconcile has to act upon: a step that ended, say.
 * The property: none is left unserved, whoever fails or dies.
 *
 * Ways to learn of a trigger, one of:
 *   -DPOLL     every notification is lost; replicas poll
 *   -DNOTIFY   polling is off; a commit notifies every replica that is alive
 *   -DNUDGE    polling is off, every notification is lost; a commit nudges the replica that made it
 * Broken on purpose, at most one of:
 *   -DBROKEN_FLAG      a boolean instead of rows
 *   -DBROKEN_CLEAR     hints are deleted after the work, with those that came meanwhile
 *   -DBROKEN_UNLOCK    nobody looks again after unlocking
 *   -DBROKEN_RETRY     who does not get the lock gives up
 *   -DBROKEN_MARK      hints are read from where the last look ended, instead of all that there are
 *   -DBROKEN_SNAPSHOT  the work is done on what was read before the lock was had
 * -DREACH_… claims that something never happens; that must be refuted. -DLIVE leaves out the assertion about the end, for
 * the formula about every infinite run.
 */

#if !defined(POLL) && !defined(NOTIFY) && !defined(NUDGE)
#define NOTIFY
#endif

#define REPLICAS 3
#ifndef DEATHS
#ifdef NUDGE
#define DEATHS 1 /* of the replica that makes no triggers: what the others made is theirs to follow */
#else
#define DEATHS 2 /* one is left */
#endif
#endif
#ifndef FAILURES
#define FAILURES 1 /* of passes, or commits whose answer is lost */
#endif

/* Triggers are bits. Three come from transactions that are no pass; the fourth is made by a pass, once. */
#define FOLLOW   8
#define SHARD1   3  /* 0 and 1: two needs of one step */
#define SHARD2   12 /* 2 and what a pass leaves */
#define JOIN     3  /* the step that needs both may start when both are counted */

#define hintsOf(shards) ((((shards) & 1) -> SHARD1 : 0) | (((shards) & 2) -> SHARD2 : 0))
#define shardsOf(hints) ((((hints) & SHARD1) -> 1 : 0) | (((hints) & SHARD2) -> 2 : 0))
#define oldest(hints)   ((hints) & (-(hints)))

/* What is committed in the database. */
byte hints;     /* rows of weir.dirty */
byte committed; /* triggers */
byte served;    /* triggers whose consequences are committed */
bool joined;    /* the step that needs 0 and 1 is dispatched */
bool followed;  /* a pass has made its trigger */

byte locked; /* advisory locks of shards */

/* What replicas have in memory, and what faults are left. */
bool nudged[REPLICAS]; /* Engine.dirty and Config.Nudge: a token, or none */
bool dead[REPLICAS];
byte deaths = DEATHS;
byte failures = FAILURES;
byte over; /* triggers whose transactions are over, committed or not */

#ifdef BROKEN_FLAG
bool flag;
#define work  (flag -> committed & ~served : 0)
#define kept  (flag || true)
#else
#define work  hints
#define kept  ((committed & ~served & ~hints) == 0)
#endif

#define allServed ((committed & ~served) == 0 && ((served & JOIN) != JOIN || joined))
#define done      (over == 7 && allServed)

#ifdef POLL
#define awake(me) (work != 0)
#else
#define awake(me) nudged[me]
#endif

#ifdef NUDGE
#define mortal(me)   (deaths > 0 && me == 2)
#define follows(me)  (!followed && me != 2)
#define home(it)    ((it) == 4 -> 1 : 0)
#else
#define mortal(me)   (deaths > 0 && me == REPLICAS - 1 - DEATHS + deaths) /* replicas are alike: let the last be the first to die */
#define follows(me)  (!followed)
#endif

/* tell is what a commit that wrote hints brings about. who made it, unless it came from psql, nudges itself. */
inline tell(who) {
#ifdef NOTIFY
  nudged[0] = !dead[0]; nudged[1] = !dead[1]; nudged[2] = !dead[2];
#endif
#ifdef NUDGE
  nudged[who] = !dead[who];
#endif
#ifdef BROKEN_FLAG
  flag = true;
#endif
  skip
}

/* join dispatches the step that needs 0 and 1, if they are what is seen and what is served now. */
inline join(seen, now) {
  if
  :: (((seen) | (now)) & JOIN) == JOIN -> joined = true
  :: else
  fi
}

/* commitPass commits what a pass did, and unlocks. */
inline commitPass(me) {
#ifdef BROKEN_CLEAR
  hints = hints & ~hintsOf(holds);
#else
  hints = hints & ~mine;
#endif
  served = served | (mine & committed);
  join(sees, mine);
  locked = locked & ~holds;
  if
  :: adds -> adds = false; followed = true; hints = hints | FOLLOW; committed = committed | FOLLOW; tell(me)
  :: else
  fi;
  forget();
  assert(kept)
}

inline forget() { took = 0; mine = 0; holds = 0; sees = 0; past = 0 }

proctype Replica(byte me) {
  byte took;  /* hints that were read */
  byte mine;  /* of them, those of shards that are locked: deleted, in a transaction that is not committed */
  byte holds; /* shards */
  byte past;  /* shards that are passed over once */
  byte sees;  /* triggers that were counted when the work was done */
  bool adds;  /* the pass leaves something to the next */
#ifdef BROKEN_MARK
  byte mark; /* the hints up to the newest that was read */
#endif

end_idle: /* reconcile */
  if
  :: atomic {
       awake(me) -> nudged[me] = false;
       printf("replica %d wakes\n", me)
     }
  :: atomic { mortal(me) -> deaths--; goto dying }
  fi;

look: /* DirtyTake */
  if
  :: atomic {
#ifdef BROKEN_MARK
       took = work & ~hintsOf(past) & ~mark;
#else
       took = work & ~hintsOf(past);
#endif
       took = oldest(took) | oldest(took & ~oldest(took));
#ifdef BROKEN_FLAG
       flag = false;
#endif
#ifdef BROKEN_MARK
       mark = (took >= 8 -> 15 : (took >= 4 -> 7 : (took >= 2 -> 3 : (took -> 1 : mark))));
#endif
#ifdef BROKEN_SNAPSHOT
       sees = served;
#endif
       if
       :: took == 0 && past == 0 -> printf("replica %d sees no hint\n", me); goto end_idle
       :: took == 0 && past != 0 -> past = 0; goto look
       :: else -> printf("replica %d reads the hints %d\n", me, took)
       fi
     }
  :: atomic { mortal(me) -> deaths--; goto dying }
  fi;

  /* ShardsLock, DirtyDelete, pass.do */
  atomic {
    holds = shardsOf(took) & ~locked;
    if
    :: holds != 0 ->
#ifdef REACH_PASSED_OVER
       assert(past == 0);
#endif
       locked = locked | holds;
       mine = took & hintsOf(holds);
#ifdef REACH_PART
       assert(took == mine);
#endif
#ifdef REACH_STALE
       assert((mine & ~hints) == 0);
#endif
       took = 0; past = 0;
#ifndef BROKEN_SNAPSHOT
       sees = served;
#endif
       sees = sees & JOIN & hintsOf(holds); /* pass.do: what is counted already, of what is needed */
       printf("replica %d locks the shards %d and deletes the hints %d\n", me, holds, mine)
    :: else ->
#ifdef REACH_BUSY
       assert(false);
#endif
       printf("replica %d finds the shards %d locked\n", me, shardsOf(took));
#ifdef BROKEN_RETRY
       forget(); goto end_idle
#else
       past = (past == 0 -> shardsOf(took) : 0); took = 0; sees = 0; goto look
#endif
    fi
  };

  /* the commit, and Engine.apply */
  if
  :: atomic {
#ifdef REACH_LATE
       assert((hints & hintsOf(holds) & ~mine) == 0);
#endif
       if
       :: true
       :: follows(me) -> adds = true
       fi;
#ifdef REACH_FOLLOW
       assert(!adds);
#endif
       commitPass(me);
       printf("replica %d commits, served are %d\n", me, served);
#ifdef BROKEN_UNLOCK
       goto end_idle
#else
       goto look
#endif
     }
  :: atomic { /* and the answer is lost */
       failures > 0 -> failures--;
#ifdef REACH_UNANSWERED
       assert(false);
#endif
       if
       :: true
       :: follows(me) -> adds = true
       fi;
       commitPass(me);
       printf("replica %d commits and hears nothing of it, served are %d\n", me, served);
       goto look
     }
  :: atomic { /* serveAll goes on after an error */
       failures > 0 -> failures--;
#ifdef REACH_FAILURE
       assert(false);
#endif
       locked = locked & ~holds; forget();
       printf("replica %d fails, and its transaction is rolled back\n", me);
       goto look
     }
  :: atomic {
       mortal(me) -> deaths--;
#ifdef REACH_DEATH
       assert(false);
#endif
     }
  fi;

dying:
  atomic {
    dead[me] = true; nudged[me] = false; past = 0;
    printf("replica %d dies\n", me)
  };
  if
  :: atomic { /* the database finds out */
       holds != 0 -> locked = locked & ~holds; forget();
       printf("the transaction of replica %d is rolled back\n", me)
     }
  :: holds == 0
  fi;
end_dead:
  false
}

/* A transaction that brings a trigger about: a change that leaves a hint, or a Finish that does what follows itself. */
proctype Trigger(byte it) {
  byte holds;
  byte sees;
  bool alone; /* what follows is left to reconcile */

again:
  if
  :: d_step { /* rolled back, or it never comes */
       over = over | it; alone = false;
       printf("trigger %d does not come\n", it)
     }
  :: d_step { /* record_steps */
       committed = committed | it; hints = hints | it; over = over | it; alone = false;
#ifdef NUDGE
       tell(home(it));
#else
       tell(0);
#endif
       assert(kept);
       printf("trigger %d is committed with its hint\n", it)
     }
  :: d_step { /* finishAndSettle */
       (it & JOIN) && !alone && (locked & shardsOf(it)) == 0 ->
       holds = shardsOf(it); locked = locked | holds;
       sees = served & JOIN & hintsOf(holds);
       printf("a Finish locks the shard %d\n", holds)
     };
     if
     :: d_step {
#ifdef REACH_FINISH
          assert(false);
#endif
          committed = committed | it; served = served | it; over = over | it;
          join(sees, it);
          locked = locked & ~holds; holds = 0; sees = 0;
          printf("a Finish commits trigger %d with what follows, served are %d\n", it, served)
        }
     :: d_step {
          locked = locked & ~holds; holds = 0; sees = 0; alone = true;
          printf("a Finish is rolled back\n")
        };
        goto again
     fi
  fi
}

#ifndef LIVE
/* When nothing moves any more, everything is served. */
proctype Quiet() {
  timeout ->
#ifdef REACH_SERVED
  assert(served == 0);
#endif
#ifdef REACH_LAST
  assert(deaths > 0 || failures > 0 || !followed || !joined);
#endif
  assert(allServed)
}
#endif

init {
  atomic {
#ifndef POLL
    nudged[0] = true; nudged[1] = true; nudged[2] = true; /* at the start each looks once */
#endif
    run Replica(0); run Replica(1); run Replica(2);
    run Trigger(1); run Trigger(2);
#ifdef FEW
    over = 4;
#else
    run Trigger(4);
#endif
#ifndef LIVE
    run Quiet()
#endif
  }
}

#ifdef LIVE
/* <> done is claimed; this is its negation: a run in which there is always something left. */
never {
accept_left:
  do
  :: !done
  od
}
#endif
