//! Flaws that the world must find, and what it has seen happen.

/// A flaw of a run's loop, as somebody might build it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It lands what is still under test.
    LandsUntested,
    /// It lands what has failed.
    LandsFailed,
    /// It lands what was tested on something else than the target.
    LandsElsewhere,
    /// It takes a failure for a verdict while those before it may not land.
    JudgesEarly,
    /// Those before it do not count when its checks are chosen.
    ForgetsAhead,
    /// It keeps what does not stand where it should.
    KeepsStale,
    /// It does not look at the target after a crash.
    ForgetsLanded,
    /// It never gives anything back.
    KeepsFailed,
    /// What it gives back is not built anew.
    RepairsNothing,
    /// What an older version of the spec judges lands, too.
    KeepsOldSpec,
    /// It goes on while people have it paused.
    PausesNothing,
    /// It goes on with slices that people have paused.
    HoldsNothing,
    /// What people let go stays paused.
    NeverLetsGo,
    /// It keeps to the order of the spec, whatever people want first.
    ForgetsFirst,
    /// What is cancelled stays under way.
    StopsNothing,
    /// What is at work is skipped at once.
    SkipsAtWork,
    /// Whatever is asked for begins anew, also what has landed.
    RetriesAnything,
    /// It answers a request twice.
    AnswersTwice,
    /// What was asked for before a crash is never answered.
    DeafAfterCrash,
}

impl Flaw {
    /// All, each with what it is found out by.
    pub const ALL: [(Flaw, &str); 19] = [
        (Flaw::LandsUntested, "landed untested"),
        (Flaw::LandsFailed, "did not pass"),
        (Flaw::LandsElsewhere, "tested on something else"),
        (Flaw::JudgesEarly, "on a guess"),
        (Flaw::ForgetsAhead, "other checks were due"),
        (Flaw::KeepsStale, "does not end"),
        (Flaw::ForgetsLanded, "landed twice"),
        (Flaw::KeepsFailed, "nothing comes of"),
        (Flaw::RepairsNothing, "nothing comes of"),
        (Flaw::KeepsOldSpec, "an older version of the spec"),
        (Flaw::PausesNothing, "in a paused run"),
        (Flaw::HoldsNothing, "was paused"),
        (Flaw::NeverLetsGo, "paused than people paused"),
        (Flaw::ForgetsFirst, "before `"),
        (Flaw::StopsNothing, "still under way"),
        (Flaw::SkipsAtWork, "still under way"),
        (Flaw::RetriesAnything, "the journal refuses"),
        (Flaw::AnswersTwice, "nobody waits for that"),
        (Flaw::DeafAfterCrash, "nobody has answered"),
    ];
}

/// How often what happened, by [`What`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen(pub(super) [u64; 18]);

#[derive(Clone, Copy)]
pub enum What {
    Landed,
    GivenBack,
    Dropped,
    Moved,
    Died,
    DiedLanding,
    Flaked,
    Amended,
    Paused,
    Held,
    LetGo,
    Cancelled,
    /// Under test by then.
    CancelledTest,
    Skipped,
    /// A step had to end first.
    SkippedLater,
    Reordered,
    Retried,
    StoodStill,
}

impl Seen {
    pub fn all(&self) -> bool {
        self.0.iter().all(|n| *n > 0)
    }
    pub fn add(&mut self, other: Seen) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }
}
