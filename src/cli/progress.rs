//! Live progress of a run: every event as it becomes durable, a line each, in words or as JSON.

use std::sync::Arc;

use crate::{
    agent,
    base::{
        SliceId,
        text::{one_line, redact},
    },
    build::Live,
    journal::{
        event::{Event, Kind, Verdict},
        log::Watch,
    },
    output::{Style, Ui},
};

/// Who watches a run for the user.
pub fn watch(ui: Arc<Ui>) -> Watch {
    Box::new(move |event, _| {
        // A terminal that went away does not stop the run.
        let _ = if ui.is_json() { ui.answer_json(event) } else { tell(&ui, event) };
    })
}

/// Who hears what the agents of a run do: told where the user wants to hear more, and where an agent has to wait.
pub fn live(ui: Arc<Ui>) -> Box<Live> {
    Box::new(move |slice, event| {
        let words = match event {
            agent::Event::Waiting(why) => format!("waits: {}", shown(why)),
            agent::Event::Denied(what) => format!("denied: {}", shown(what)),
            _ if !ui.is_verbose() => return,
            agent::Event::Text(text) => format!("says: {}", shown(text)),
            agent::Event::Tool(name, what) => format!("uses {}: {}", shown(name), shown(what)),
            agent::Event::Session(_) => return,
        };
        if !ui.is_json() {
            let words = ui.paint(Style::Dim, &words);
            // A terminal that went away does not stop the run.
            let _ = ui.say(&format!("{} {words}", ui.paint(Style::Bold, &format!("{:>12}", slice.as_str()))));
        }
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
        Kind::AgentStarted { provider, role, .. } if event.fact.slice.is_none() => {
            plain(format!("{role} by {provider}"))
        }
        Kind::AgentStarted { provider, .. } => plain(format!("attempt {attempt} by {provider}")),
        Kind::AgentFailed { detail, .. } => styled(Style::Warn, format!("the agent failed: {detail}")),
        Kind::AttemptFailed { detail, .. } => styled(Style::Warn, format!("attempt {attempt} failed: {detail}")),
        Kind::AmendmentRequested { reason } => styled(Style::Warn, format!("the agent asks for {reason}")),
        Kind::AmendmentRejected { detail, .. } => styled(Style::Warn, format!("its request is refused: {detail}")),
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
