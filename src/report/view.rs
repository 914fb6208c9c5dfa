//! What the templates see: the packet, and what it says in words. One view for all of them, so that no two renderings of
//! a packet can say different things.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use minijinja::{Environment, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::{
    model::{Agent, Amendment, Attempt, Built, Checked, Evidence, Landed, Packet, Picture, Proof, Proven, Waited},
    words,
};
use crate::{
    base::{Exit, Failure, text::count},
    checks::model::{Cause, Gate},
    gate,
    journal::{event::Verdict, state::Phase},
};

/// Lines of the intent that are quoted.
const MAX_INTENT: usize = 12;

/// Renders a packet by a template. `print` makes each text from outside safe: it is asked for everything that no filter
/// has marked as safe. `prepare` adds what else the template needs.
pub fn render(
    packet: &Packet,
    template: &'static str,
    print: fn(&str) -> String,
    prepare: impl FnOnce(&mut Environment<'static>),
) -> Result<String, Failure> {
    let bug = |e: minijinja::Error| Failure::new(Exit::Internal, format!("the packet could not be rendered: {e:#}"));
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    env.set_syntax(syntax.map_err(bug)?);
    env.set_formatter(move |out, _, value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let safe = if value.is_safe() { text } else { print(&text) };
        Ok(out.write_str(&safe)?)
    });
    env.add_filter("short", |id: String| id.chars().take(10).collect::<String>());
    env.add_filter("mark", |tone: String| Value::from_safe_string(mark(&tone).into()));
    prepare(&mut env);
    env.render_str(template, view(packet)).map_err(bug)
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
        tone: match p.verdict {
            Some(Verdict::Passed) => Tone::Good,
            Some(Verdict::Partial) => Tone::Warn,
            Some(Verdict::Blocked) => Tone::Bad,
            None => Tone::Open,
        },
        when,
        built_by: match words::dollars(p.built_by.cost) {
            Some(cost) => format!("{} It cost {cost}.", p.built_by.sentence),
            None => p.built_by.sentence.clone(),
        },
        agents: p.built_by.agents.iter().map(AgentView::new).collect(),
        branch: p.target.name.strip_prefix("refs/heads/").unwrap_or(&p.target.name),
        intent: intent(&p.spec.intent),
        proven: p.requirements.iter().filter(|r| r.proven == Proven::Yes).count(),
        holding: p.checks.iter().filter(|c| c.holds == Some(true)).count(),
        done: p.slices.iter().filter(|s| s.phase.is_done()).count(),
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

/// How something stands, for marks and colours.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Tone {
    Good,
    Warn,
    Bad,
    Open,
}

/// The mark of a tone: colours alone tell nothing to who does not see them.
fn mark(tone: &str) -> &'static str {
    match tone {
        "good" => "✓",
        "warn" => "!",
        "bad" => "✗",
        _ => "○",
    }
}

#[derive(Serialize)]
struct View<'a> {
    p: &'a Packet,
    verdict: &'static str,
    tone: Tone,
    when: String,
    built_by: String,
    agents: Vec<AgentView<'a>>,
    branch: &'a str,
    intent: Vec<String>,
    proven: usize,
    holding: usize,
    done: usize,
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
struct AgentView<'a> {
    name: &'a str,
    facts: Vec<String>,
}

impl<'a> AgentView<'a> {
    fn new(a: &'a Agent) -> AgentView<'a> {
        let mut facts = vec![count(a.slices, "slice"), count(a.attempts, "attempt")];
        facts.extend(words::dollars(a.cost));
        let tokens = a.cost.input_tokens.saturating_add(a.cost.output_tokens);
        facts.extend((tokens > 0).then(|| format!("{tokens} tokens")));
        AgentView { name: &a.provider, facts }
    }
}

#[derive(Serialize)]
struct ProofView<'a> {
    id: &'a str,
    text: &'a str,
    proven: &'static str,
    tone: Tone,
    checks: Vec<CheckView<'a>>,
}

impl<'a> ProofView<'a> {
    fn new(p: &'a Packet, r: &'a Proof) -> ProofView<'a> {
        let checks = p.checks.iter().filter(|c| r.checks.contains(&c.id)).map(CheckView::new).collect();
        let tone = match r.proven {
            Proven::Yes => Tone::Good,
            Proven::SelfWritten => Tone::Warn,
            Proven::No => Tone::Bad,
        };
        ProofView { id: &r.id, text: &r.text, proven: words::proven(r.proven), tone, checks }
    }
}

#[derive(Serialize)]
struct CheckView<'a> {
    id: &'a str,
    sentence: &'a str,
    tone: Tone,
    /// Whether it holds on the product, and how strong a proof that is.
    notes: Vec<String>,
    why: String,
    results: Vec<ResultView<'a>>,
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
        let tone = match c.holds {
            Some(true) => Tone::Good,
            Some(false) => Tone::Bad,
            None => Tone::Open,
        };
        let results = c.results.iter().map(|r| ResultView::new(c, r)).collect();
        CheckView { id: &c.id, sentence: &c.sentence, tone, notes, why, results }
    }
}

#[derive(Serialize)]
struct ResultView<'a> {
    r: &'a Evidence,
    round: String,
    tone: Tone,
    came_of_it: &'static str,
    /// What a person should know, where that is more than that it holds.
    detail: Option<&'a str>,
    took: String,
    pictures: Vec<PictureView<'a>>,
}

#[derive(Serialize)]
struct PictureView<'a> {
    name: &'a str,
    /// The picture itself.
    uri: String,
}

impl<'a> ResultView<'a> {
    fn new(c: &'a Checked, r: &'a Evidence) -> ResultView<'a> {
        let tone = match r.cause {
            Cause::Holds => Tone::Good,
            // What a new check has to be there.
            Cause::Assertion | Cause::Missing if r.round == "base" && c.gate == Gate::New => Tone::Open,
            _ => Tone::Bad,
        };
        let round = match r.round.split_once('-') {
            Some(("queue", n)) => format!("queue, round {n}"),
            Some(("audit", n)) => format!("audit, round {n}"),
            _ => r.round.clone(),
        };
        let detail = Some(r.detail.as_str()).filter(|d| !r.cause.passed() && !d.is_empty());
        let picture = |p: &'a Picture| PictureView {
            name: &p.name,
            uri: format!("data:{};base64,{}", p.media, BASE64.encode(&p.bytes)),
        };
        let pictures = r.pictures.iter().map(picture).collect();
        ResultView {
            r,
            round,
            tone,
            came_of_it: gate::words(r.cause),
            detail,
            took: words::took(r.duration_ms),
            pictures,
        }
    }
}

#[derive(Serialize)]
struct SliceView<'a> {
    id: &'a str,
    title: &'a str,
    state: &'static str,
    tone: Tone,
    facts: Vec<String>,
    deps: Vec<&'a str>,
    checks: Vec<CheckView<'a>>,
    attempts: Vec<AttemptView<'a>>,
    waits: Vec<WaitView<'a>>,
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct WaitView<'a> {
    w: &'a Waited,
    came_of_it: &'static str,
}

impl<'a> WaitView<'a> {
    fn new(w: &'a Waited) -> WaitView<'a> {
        let came_of_it = match w.done {
            Some(true) => "done",
            Some(false) => "not done",
            None => "open",
        };
        WaitView { w, came_of_it }
    }
}

#[derive(Serialize)]
struct AttemptView<'a> {
    n: u32,
    provider: &'a str,
    commit: Option<String>,
    /// Why it failed, if it did.
    why: Option<String>,
    cost: Option<String>,
    violations: &'a [String],
}

impl<'a> AttemptView<'a> {
    fn new(a: &'a Attempt) -> AttemptView<'a> {
        let why = |f: &super::model::Failed| format!("{}: {}", words::attempt_failure(f.reason), f.detail);
        AttemptView {
            n: a.n,
            provider: &a.provider,
            commit: a.commit.map(|c| c.to_string()),
            why: a.failed.as_ref().map(why),
            cost: words::dollars(a.cost),
            violations: &a.violations,
        }
    }
}

impl<'a> SliceView<'a> {
    fn new(p: &'a Packet, s: &'a Built) -> SliceView<'a> {
        let mut facts = vec![match s.attempts.len() {
            0 => "no attempt".to_owned(),
            n => count(n, "attempt"),
        }];
        if s.repairs > 0 {
            facts.push(format!("given back by the queue {}", words::times(s.repairs)));
        }
        facts.extend(p.landings.iter().rev().find(|l| l.slice == s.id).and_then(|l| l.diffstat).map(words::diffstat));
        facts.extend(words::dollars(s.cost));
        let note = match s.phase {
            Phase::Redundant => s.redundant.as_deref(),
            Phase::Blocked => s.blocked.as_ref().map(|b| b.detail.as_str()),
            _ => None,
        };
        let own = p.checks.iter().filter(|c| c.slice.as_ref() == Some(&s.id));
        SliceView {
            id: s.id.as_str(),
            title: if s.title.eq_ignore_ascii_case(s.id.as_str()) { "" } else { &s.title },
            state: words::phase(s.phase),
            tone: match s.phase {
                Phase::Landed | Phase::Redundant => Tone::Good,
                Phase::Blocked => Tone::Bad,
                _ => Tone::Open,
            },
            facts,
            deps: s.deps.iter().map(|d| d.as_str()).collect(),
            checks: own.map(CheckView::new).collect(),
            attempts: s.attempts.iter().map(AttemptView::new).collect(),
            waits: s.waits.iter().map(WaitView::new).collect(),
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
