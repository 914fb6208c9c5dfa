//! Live progress of a run: every event as it becomes durable, a line each, in words or as JSON.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    agent,
    base::{
        SliceId,
        text::{one_line, redact},
        world::Clock,
    },
    cli::live::{self, Sign},
    journal::{
        event::{Event, Kind, Verdict},
        state::{BY_HAND, RunState},
    },
    output::{Style, Ui},
    plan::{model::Plan, schedule::Busy},
};

/// How often it is said what agents do.
pub const EVERY: Duration = Duration::from_secs(10);

/// Who watches a run for the user.
pub struct Progress {
    ui: Arc<Ui>,
    clock: Arc<dyn Clock>,
    /// The agents that are at work at slices.
    agents: Mutex<BTreeMap<SliceId, Last>>,
    /// Since when slices have been at work.
    since: Mutex<BTreeMap<SliceId, Instant>>,
}

/// The last sign of an agent.
struct Last {
    who: String,
    at: Instant,
    did: String,
}

impl Last {
    /// Nobody waits for a sign of a person.
    fn is_person(&self) -> bool {
        self.who.split('/').next() == Some(BY_HAND)
    }
}

impl Progress {
    /// Nothing has happened yet.
    pub fn new(ui: Arc<Ui>, clock: Arc<dyn Clock>) -> Progress {
        Progress { ui, clock, agents: Mutex::default(), since: Mutex::default() }
    }

    /// An event of the journal, once it is durable.
    pub fn event(&self, event: &Event) {
        self.follow(event);
        // A terminal that went away does not stop the run.
        let _ = if self.ui.is_json() { self.ui.answer_json(event) } else { tell(&self.ui, event) };
    }

    /// What an agent does: told at once where the user wants to hear more, and where it has to wait.
    pub fn hear(&self, slice: &SliceId, event: &agent::Event) {
        let words = words_of(event);
        if let Some(last) = self.agents().get_mut(slice) {
            last.at = self.clock.mono();
            last.did = words.clone().unwrap_or_else(|| std::mem::take(&mut last.did));
        }
        let always = matches!(event, agent::Event::Waiting(_) | agent::Event::Denied(_));
        if let Some(words) = words.filter(|_| always || self.ui.is_verbose()) {
            self.say(slice, &words);
        }
    }

    /// Shows what is under way, where lines can stand below the narration.
    pub fn show(&self, plan: &Plan, state: &RunState, busy: &Busy) {
        if !self.ui.has_below() {
            return;
        }
        let now = self.clock.mono();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|slice, _| busy.has(slice));
        for slice in busy.building.iter().chain(busy.lane.slices()) {
            since.entry(slice.clone()).or_insert(now);
        }
        let agents = self.agents();
        let sign = |(slice, at): (&SliceId, &Instant)| {
            let last = agents.get(slice).filter(|last| !last.is_person());
            let last = last.map(|last| notice(last, now, plan.limits.agent_idle_s));
            (slice.clone(), Sign { since: now.saturating_duration_since(*at), last })
        };
        self.ui.show_below(&live::lines(plan, state, busy, &since.iter().map(sign).collect()));
    }

    /// Says what the agents do that are at work, or for how long they have been quiet, where that does not stand below.
    pub fn tell_of_agents(&self, limit_s: u64) {
        if self.ui.is_live() && (self.ui.is_verbose() || !self.ui.has_below()) {
            self.notices(limit_s).iter().for_each(|(slice, words)| self.say(slice, words));
        }
    }

    fn notices(&self, limit_s: u64) -> Vec<(SliceId, String)> {
        let now = self.clock.mono();
        let agents = self.agents();
        let told = agents.iter().filter(|(_, last)| !last.is_person());
        told.map(|(slice, last)| (slice.clone(), notice(last, now, limit_s))).collect()
    }

    /// Agents come and go with the events of the journal.
    fn follow(&self, event: &Event) {
        let Some(slice) = event.fact.slice.clone() else { return };
        match &event.fact.kind {
            Kind::AgentStarted { provider, .. } => {
                let last = Last { who: provider.clone(), at: self.clock.mono(), did: "is at work".into() };
                self.agents().insert(slice, last);
            }
            Kind::AgentFinished { .. } | Kind::AgentFailed { .. } | Kind::SliceInvalidated { .. } => {
                drop(self.agents().remove(&slice))
            }
            _ => {}
        }
    }

    fn say(&self, slice: &SliceId, words: &str) {
        if !self.ui.is_json() {
            let words = self.ui.paint(Style::Dim, words);
            // A terminal that went away does not stop the run.
            let _ = self.ui.say(&format!("{} {words}", self.ui.paint(Style::Bold, &format!("{:>12}", slice.as_str()))));
        }
    }

    fn agents(&self) -> MutexGuard<'_, BTreeMap<SliceId, Last>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an agent did last, or for how long it has been quiet.
fn notice(last: &Last, now: Instant, limit_s: u64) -> String {
    let quiet = now.saturating_duration_since(last.at);
    if quiet < EVERY {
        return format!("{} {}", last.who, last.did);
    }
    format!("{} quiet for {} s (limit {limit_s})", last.who, quiet.as_secs())
}

fn words_of(event: &agent::Event) -> Option<String> {
    Some(match event {
        agent::Event::Waiting(why) => format!("waits: {}", shown(why)),
        agent::Event::Denied(what) => format!("denied: {}", shown(what)),
        agent::Event::Text(text) => format!("says: {}", shown(text)),
        agent::Event::Tool(name, what) => format!("uses {}: {}", shown(name), shown(what)),
        agent::Event::Session(_) | agent::Event::Stirred => return None,
    })
}

fn shown(text: &str) -> String {
    one_line(&String::from_utf8_lossy(&redact(text.as_bytes())), 200)
}

fn tell(ui: &Ui, event: &Event) -> std::io::Result<()> {
    let Some((style, words)) = words(ui, event) else { return Ok(()) };
    let who = event.fact.slice.as_ref().map_or("", SliceId::as_str);
    let words = one_line(&words, 300);
    let words = style.map_or(words.clone(), |s| ui.paint(s, &words));
    ui.say(&format!("{} {words}", ui.paint(Style::Bold, &format!("{who:>12}"))))
}

fn words(ui: &Ui, event: &Event) -> Option<(Option<Style>, String)> {
    let attempt = event.fact.attempt.unwrap_or(0);
    let plain = |text: String| Some((None, text));
    let styled = |style, text: String| Some((Some(style), text));
    match &event.fact.kind {
        Kind::RunStarted { target, base, .. } => {
            let branch = target.strip_prefix("refs/heads/").unwrap_or(target);
            plain(format!("started on {branch} from {}", base.short()))
        }
        Kind::RunResumed { .. } => plain("resumed".into()),
        Kind::RunPaused { reason } => styled(Style::Warn, format!("paused: {reason}")),
        Kind::RecoveryPerformed { actions } => styled(Style::Warn, format!("recovered: {}", actions.join("; "))),
        Kind::SliceStarted { base, green } if green.is_empty() => plain(format!("started on {}", base.short())),
        Kind::SliceStarted { base, green } => {
            plain(format!("started on {}; already green there: {}", base.short(), green.join(", ")))
        }
        Kind::ControlApplied { result, .. } => plain(result.clone()),
        Kind::AgentStarted { provider, role, .. } if event.fact.slice.is_none() => {
            plain(format!("{role} by {provider}"))
        }
        Kind::AgentStarted { provider, .. } => plain(format!("attempt {attempt} by {provider}")),
        Kind::AgentFailed { detail, .. } => styled(Style::Warn, format!("the agent failed: {detail}")),
        Kind::AttemptFailed { detail, .. } => styled(Style::Warn, format!("attempt {attempt} failed: {detail}")),
        Kind::RunAmended { spec } => styled(Style::Warn, format!("goes on with the spec of {}", spec.short())),
        Kind::SliceInvalidated { .. } => styled(Style::Warn, "changed by an amendment: built anew".into()),
        Kind::AmendmentRequested { reason, change: None, .. } => {
            styled(Style::Warn, format!("the agent asks for {reason}"))
        }
        Kind::AmendmentRequested { reason, .. } => {
            styled(Style::Warn, format!("the agent asks for an amendment: {reason}"))
        }
        Kind::AmendmentRejected { detail, .. } => styled(Style::Warn, format!("its request is refused: {detail}")),
        Kind::ContractBlocked { path, owner, .. } => {
            styled(Style::Warn, format!("set aside: it waits for `{owner}`, which owns `{path}`"))
        }
        Kind::ContractSettled { path, passed: true, .. } => {
            styled(Style::Good, format!("goes on: `{path}` was changed as it needs it"))
        }
        Kind::RepairStarted { contract: Some(path), .. } => plain(format!("is asked to change `{path}` for others")),
        Kind::RepairFinished { detail, .. } => {
            styled(Style::Warn, format!("does not change what it owns, and stays on the target as it is: {detail}"))
        }
        Kind::ScopeViolation { paths } => styled(Style::Warn, format!("outside of its paths: {}", paths.join(", "))),
        Kind::MergeEligible { .. } => plain(format!("attempt {attempt} passed its checks")),
        Kind::MergeLanded { commit, .. } => styled(Style::Good, format!("landed as {}", commit.short())),
        Kind::MergeRedundant { detail, .. } => styled(Style::Good, format!("not needed: {detail}")),
        Kind::MergeRepair { detail, .. } => styled(Style::Warn, format!("goes back to its agent: {detail}")),
        Kind::SliceBlocked { detail, .. } => styled(Style::Bad, format!("blocked: {detail}")),
        Kind::AuditStarted { commit, .. } => plain(format!("audit of {}", commit.short())),
        Kind::AuditFinished { findings, .. } => {
            let n = findings.len();
            plain(format!("audit done: {n} finding{}", if n == 1 { "" } else { "s" }))
        }
        Kind::CheckFinished { check, round, passed, duration_ms, .. } if ui.is_verbose() => {
            let word = if *passed { "green" } else { "red" };
            styled(Style::Dim, format!("{round}: `{check}` {word} in {duration_ms} ms"))
        }
        _ => None,
    }
}

/// The style of a verdict.
pub fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Passed => Style::Good,
        Verdict::Partial => Style::Warn,
        Verdict::Blocked => Style::Bad,
    }
}

/// The word of a verdict.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Partial => "partial",
        Verdict::Blocked => "blocked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::Timestamp, journal::event::Fact, output::Manner};

    struct At(Mutex<Instant>);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
        fn mono(&self) -> Instant {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn an_agent_is_told_of_by_what_it_did_last_then_by_how_long_it_is_quiet_until_it_ends() {
        let clock = Arc::new(At(Mutex::new(Instant::now())));
        let pass = |s| *clock.0.lock().unwrap() += Duration::from_secs(s);
        let ui = Arc::new(Ui::new(Manner { quiet: true, ..Manner::default() }, true));
        let progress = Progress::new(ui, clock.clone());
        let slice: SliceId = "word".parse().unwrap();
        let journalled = |kind| {
            let fact = Fact::slice(&slice, crate::base::Sha256::of("inputs"), Some(1), kind);
            let (id, prev, ts) = ("w-1".into(), String::new(), Timestamp::from_millis(0));
            progress.event(&Event { v: 1, id, seq: 1, lamport: 1, ts, prev, fact });
        };
        let told = || progress.notices(600).into_iter().map(|(_, words)| words).collect::<Vec<_>>();
        let hear = |event| progress.hear(&slice, &event);

        hear(agent::Event::Text("of nobody who is known".into()));
        assert!(told().is_empty());
        journalled(Kind::AgentStarted { provider: "claude".into(), role: "build".into(), session: None, told: vec![] });
        assert_eq!(told(), ["claude is at work"]);
        pass(9);
        hear(agent::Event::Tool("Bash".into(), "cargo test".into()));
        pass(9);
        assert_eq!(told(), ["claude uses Bash: cargo test"]);
        // A sign of life is no news, and no quiet.
        hear(agent::Event::Stirred);
        pass(9);
        assert_eq!(told(), ["claude uses Bash: cargo test"]);
        pass(1);
        assert_eq!(told(), ["claude quiet for 10 s (limit 600)"]);
        pass(80);
        assert_eq!(told(), ["claude quiet for 90 s (limit 600)"]);
        journalled(Kind::AgentFailed { cost: Default::default(), duration_ms: 1, detail: "it was silent".into() });
        assert!(told().is_empty());
    }

    #[test]
    fn what_passes_is_told_to_whoever_wants_more_but_never_in_json_or_when_quiet() {
        let live = |quiet, json| Ui::new(Manner { quiet, json, verbose: true, ..Manner::default() }, true).is_live();
        assert_eq!([live(false, false), live(true, false), live(false, true)], [true, false, false]);
    }
}
