//! The packet as Markdown, readable on a terminal too. Whatever the template prints is escaped unless a filter has made
//! it safe, so that nothing from a spec, a journal or an agent can become markup.

use minijinja::{Environment, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::{
    escape,
    model::{Amendment, Attempt, Built, Checked, Landed, Packet, Proof, Proven},
    words,
};
use crate::{
    base::{Exit, Failure},
    checks::model::Gate,
    journal::state::Phase,
};

/// Characters of one text from outside.
const MAX_TEXT: usize = 800;
/// Lines of the intent that are quoted.
const MAX_INTENT: usize = 12;

/// Renders a packet.
pub fn markdown(packet: &Packet) -> Result<String, Failure> {
    let bug = |e: minijinja::Error| Failure::new(Exit::Internal, format!("the packet could not be rendered: {e:#}"));
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    env.set_syntax(syntax.map_err(bug)?);
    env.set_formatter(|out, _, value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let safe = if value.is_safe() { text } else { escape::inline(&text, MAX_TEXT) };
        Ok(out.write_str(&safe)?)
    });
    env.add_filter("code", |text: String| Value::from_safe_string(escape::code(&text, MAX_TEXT)));
    env.add_filter("short", |id: String| Value::from_safe_string(escape::code(&short(&id), MAX_TEXT)));
    env.add_template("packet.md", include_str!("packet.md")).map_err(bug)?;
    env.get_template("packet.md").and_then(|t| t.render(view(packet))).map_err(bug)
}

fn short(id: &str) -> String {
    id.chars().take(10).collect()
}

fn view(p: &Packet) -> Value {
    let proofs = |wanted: &dyn Fn(&Proof) -> bool| -> Vec<ProofView<'_>> {
        p.requirements.iter().filter(|r| wanted(r)).map(|r| ProofView::new(p, r)).collect()
    };
    let besides = p.checks.iter().filter(|c| !p.requirements.iter().any(|r| r.checks.contains(&c.id)));
    // A slice that is missing is told as such; its checks need no telling.
    let is_there = |c: &&Checked| !p.missing.slices.iter().any(|s| Some(&s.id) == c.slice.as_ref());
    let red = p.checks.iter().filter(|c| c.holds != Some(true)).filter(is_there);
    let finished = p.finished.map_or("not finished".to_owned(), |t| format!("finished {}", t.human()));
    let when = p.started.map(|t| format!("started {}, ", t.human())).unwrap_or_default() + &finished;
    let interrupted = (p.recovery.resumes > 0 || !p.recovery.actions.is_empty()).then(|| match p.recovery.resumes {
        1 => "The run was taken up again once.".to_owned(),
        n => format!("The run was taken up again {n} times."),
    });
    Value::from(Serde(View {
        p,
        verdict: p.verdict.map_or("not finished", words::verdict),
        when,
        built_by: match words::dollars(p.built_by.cost) {
            Some(cost) => format!("{} It cost {cost}.", p.built_by.sentence),
            None => p.built_by.sentence.clone(),
        },
        branch: p.target.name.strip_prefix("refs/heads/").unwrap_or(&p.target.name),
        intent: intent(&p.spec.intent),
        requirements: proofs(&|_| true),
        unproven: proofs(&|r| r.proven != Proven::Yes),
        others: besides.map(CheckView::new).collect(),
        red: red.map(CheckView::new).collect(),
        slices: p.slices.iter().map(|s| SliceView::new(p, s)).collect(),
        complete: p.missing.is_empty(),
        amendments: p.amendments.iter().map(AmendmentView::new).collect(),
        landings: p.landings.iter().map(LandingView::new).collect(),
        interrupted,
    }))
}

/// What the template sees: the packet, and what it says in words.
#[derive(Serialize)]
struct View<'a> {
    p: &'a Packet,
    verdict: &'static str,
    when: String,
    built_by: String,
    branch: &'a str,
    intent: Vec<String>,
    requirements: Vec<ProofView<'a>>,
    unproven: Vec<ProofView<'a>>,
    others: Vec<CheckView<'a>>,
    red: Vec<CheckView<'a>>,
    slices: Vec<SliceView<'a>>,
    complete: bool,
    amendments: Vec<AmendmentView<'a>>,
    landings: Vec<LandingView<'a>>,
    interrupted: Option<String>,
}

/// The first lines of the intent, and how many more there are.
fn intent(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    let mut out: Vec<String> = lines.iter().take(MAX_INTENT).map(|l| (*l).to_owned()).collect();
    if lines.len() > MAX_INTENT {
        out.push(format!("… and {} more lines", lines.len() - MAX_INTENT));
    }
    out
}

#[derive(Serialize)]
struct ProofView<'a> {
    id: &'a str,
    text: &'a str,
    proven: &'static str,
    checks: Vec<CheckView<'a>>,
}

impl<'a> ProofView<'a> {
    fn new(p: &'a Packet, r: &'a Proof) -> ProofView<'a> {
        let checks = p.checks.iter().filter(|c| r.checks.contains(&c.id)).map(CheckView::new).collect();
        ProofView { id: &r.id, text: &r.text, proven: words::proven(r.proven), checks }
    }
}

#[derive(Serialize)]
struct CheckView<'a> {
    id: &'a str,
    sentence: &'a str,
    /// Whether it holds on the product, and how strong a proof that is.
    notes: String,
    why: String,
}

impl<'a> CheckView<'a> {
    fn new(c: &'a Checked) -> CheckView<'a> {
        let last = c.results.iter().rev().find(|r| r.round.starts_with("audit") || r.round.starts_with("queue"));
        let why = match last {
            Some(r) if r.cause.passed() => "holds".to_owned(),
            Some(r) => format!("does not hold: {}", r.detail),
            None => "was not run on the product".to_owned(),
        };
        let mut notes = vec![why.clone()];
        notes.push(match (c.gate, &c.on_base) {
            (Gate::Keeps, _) => "keeps what was there".to_owned(),
            (Gate::New, Some(words)) => words.clone(),
            (Gate::New, None) => "not run on the base".to_owned(),
        });
        if !c.self_written.is_empty() {
            notes.push(format!("self-written ({})", c.self_written.join(", ")));
        }
        if let Some(r) = last {
            notes.push(format!("evidence {}", r.blob.short()));
        }
        CheckView { id: &c.id, sentence: &c.sentence, notes: format!("({})", notes.join("; ")), why }
    }
}

#[derive(Serialize)]
struct SliceView<'a> {
    id: &'a str,
    title: &'a str,
    state: &'static str,
    facts: String,
    attempts: Vec<AttemptView<'a>>,
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct AttemptView<'a> {
    n: u32,
    provider: &'a str,
    why: String,
    violations: &'a [String],
}

impl<'a> SliceView<'a> {
    fn new(p: &'a Packet, s: &'a Built) -> SliceView<'a> {
        let mut facts = vec![match s.attempts.len() {
            0 => "no attempt".to_owned(),
            1 => "1 attempt".to_owned(),
            n => format!("{n} attempts"),
        }];
        if s.repairs > 0 {
            facts.push(format!("given back by the queue {}", words::times(s.repairs)));
        }
        facts.extend(p.landings.iter().rev().find(|l| l.slice == s.id).and_then(|l| l.diffstat).map(words::diffstat));
        facts.extend(words::dollars(s.cost));
        let failed = |a: &'a Attempt| {
            let f = a.failed.as_ref()?;
            let why = format!("{}: {}", words::attempt_failure(f.reason), f.detail);
            Some(AttemptView { n: a.n, provider: &a.provider, why, violations: &a.violations })
        };
        let note = match s.phase {
            Phase::Redundant => s.redundant.as_deref(),
            Phase::Blocked => s.blocked.as_ref().map(|b| b.detail.as_str()),
            _ => None,
        };
        SliceView {
            id: s.id.as_str(),
            title: if s.title.eq_ignore_ascii_case(s.id.as_str()) { "" } else { &s.title },
            state: words::phase(s.phase),
            facts: format!(", {}", facts.join(", ")),
            attempts: s.attempts.iter().filter_map(failed).collect(),
            note: note.filter(|n| !n.is_empty()),
        }
    }
}

#[derive(Serialize)]
struct AmendmentView<'a> {
    commit: String,
    what: String,
    reason: &'a str,
    changes: &'a [String],
}

impl<'a> AmendmentView<'a> {
    fn new(a: &'a Amendment) -> AmendmentView<'a> {
        let tier = a.tier.map(|t| format!(", tier {t}")).unwrap_or_default();
        let event = a.trigger.as_ref().map(|t| format!(", at event {t}")).unwrap_or_default();
        let what = format!("{} by {}{tier}{event}, {}", a.kind, a.actor, a.time.human());
        AmendmentView { commit: a.commit.to_string(), what, reason: &a.reason, changes: &a.changes }
    }
}

#[derive(Serialize)]
struct LandingView<'a> {
    slice: &'a str,
    commit: String,
    change: String,
}

impl<'a> LandingView<'a> {
    fn new(l: &'a Landed) -> LandingView<'a> {
        let change = l.diffstat.map(|d| format!(", {}", words::diffstat(d))).unwrap_or_default();
        LandingView { slice: l.slice.as_str(), commit: l.commit.to_string(), change }
    }
}
