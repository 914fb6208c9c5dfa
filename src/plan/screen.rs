//! The approval screen: everything a person must know before a run, on one screen and in plain words.

use std::collections::BTreeSet;

use crate::{
    base::{SliceId, text},
    checks,
    checks::model::{Check, CheckKind, Gate},
    spec::model::{Contract, ContractMode, Slice, Spec},
};

/// The most lines that the screen has.
pub const LINES: usize = 50;
/// The most characters that a line has.
const WIDTH: usize = 110;

/// What the screen tells beside the spec.
#[derive(Clone, Debug, Default)]
pub struct ScreenFacts {
    /// What the compiler derived, a phrase each.
    pub guessed: Vec<String>,
    /// Ids of checks whose tests the slice itself writes.
    pub self_written: BTreeSet<String>,
    /// Who writes what the intent does not carry, where that is known.
    pub writer: Option<String>,
    /// How often an agent may be called at most.
    pub agent_calls: u32,
    /// At what cost the run stops, millionths of a US dollar.
    pub usd_micros: u64,
    /// What the project's own commands said of the base, a line each.
    pub baseline: Vec<String>,
    /// How long the project's own checks took on the base, seconds, where it has any.
    pub baseline_s: Option<u64>,
}

/// The screen, at most [`LINES`] lines; what does not fit is counted and named.
pub fn screen(spec: &Spec, facts: &ScreenFacts) -> String {
    let requirements = spec.requirements.iter().map(|r| format!("  {:<4} {}", r.id, r.text)).collect();
    let mut checks = Vec::new();
    for (slice, check) in spec.checks() {
        checks.push(check_line(slice, check, facts));
    }
    let mut sections = [
        Section::new("Requirements", "requirements", 6, requirements),
        Section::new("Slices", "slices", 8, tree(spec)),
        Section::new("Checks", "checks", 8, checks),
        Section::new("Contracts", "contracts", 2, contracts(spec)),
        Section::new("Baseline", "commands", 3, indented(&facts.baseline)),
        Section::new("Guessed", "guesses", 2, indented(&facts.guessed)),
        Section::new("Weakly proven", "requirements", 3, indented(&weak(spec, facts))),
    ];
    let mut top = vec![format!("{}   ({}, {})", spec.title, spec.id, spec.project_kind.name())];
    let first = spec.intent.split("\n\n").next().unwrap_or_default();
    let prose = first.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    top.extend((!prose.is_empty()).then_some(prose));
    top.extend((!spec.non_goals.is_empty()).then(|| format!("Not: {}.", spec.non_goals.join(", "))));
    let bottom = [code_line(spec, facts), bounds(facts)];
    let fixed = top.len() + bottom.len() + 1;
    // The longest list gives way first, but keeps enough to be judged by.
    while fixed + sections.iter().map(Section::height).sum::<usize>() > LINES {
        let Some(longest) = sections.iter_mut().filter(|s| s.kept > s.least).max_by_key(|s| s.kept) else { break };
        longest.kept -= 1;
    }
    let mut out: Vec<String> = top;
    for section in &sections {
        out.extend(section.shown(spec.id.as_str()));
    }
    out.push(String::new());
    out.extend(bottom);
    out.truncate(LINES);
    out.iter().map(|l| cut(l) + "\n").collect()
}

struct Section {
    head: &'static str,
    what: &'static str,
    lines: Vec<String>,
    least: usize,
    kept: usize,
}

impl Section {
    fn new(head: &'static str, what: &'static str, least: usize, lines: Vec<String>) -> Self {
        let kept = lines.len();
        Section { head, what, lines, least, kept }
    }

    fn height(&self) -> usize {
        let rest = usize::from(self.kept < self.lines.len());
        if self.lines.is_empty() { 0 } else { 1 + self.kept + rest }
    }

    fn shown(&self, spec: &str) -> Vec<String> {
        if self.lines.is_empty() {
            return Vec::new();
        }
        let mut out = vec![self.head.to_owned()];
        out.extend(self.lines.iter().take(self.kept).cloned());
        let hidden = self.lines.len() - self.kept;
        if hidden > 0 {
            out.push(format!("  … and {hidden} more {}: git otto show {spec}", self.what));
        }
        out
    }
}

fn indented(lines: &[String]) -> Vec<String> {
    lines.iter().map(|l| format!("  {l}")).collect()
}

/// One line, safe for a terminal, ends of the tree's branches kept.
fn cut(line: &str) -> String {
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    indent.clone() + &text::one_line(line, WIDTH - indent.len().min(WIDTH / 2))
}

fn check_line(slice: Option<&Slice>, check: &Check, facts: &ScreenFacts) -> String {
    let label = match check.gate {
        _ if facts.self_written.contains(&check.id) => "self-written",
        Gate::New => "new",
        Gate::Keeps => "keeps",
    };
    let proves = match (check.proves.is_empty(), slice) {
        (false, _) => check.proves.join(" "),
        (true, Some(s)) if s.requirements.is_empty() => s.id.to_string(),
        (true, Some(s)) => s.requirements.join(" "),
        (true, None) => "all".into(),
    };
    format!("  {label:<6} {proves}: {}", checks::sentence(check))
}

/// The files that several slices rely on, a line each.
fn contracts(spec: &Spec) -> Vec<String> {
    let line = |c: &Contract| {
        let how = match c.mode {
            ContractMode::Literal => "every slice may add lines to it",
            ContractMode::Semantic => "only its owner changes it",
        };
        let exports = if c.exports.is_empty() { String::new() } else { format!(", exports {}", c.exports.join(", ")) };
        format!("  {}, owned by {}: {how}{exports}", c.path, c.owner)
    };
    spec.contracts.iter().map(line).collect()
}

/// The slices below what they come after; one with several is shown below the last and names the others.
fn tree(spec: &Spec) -> Vec<String> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    branches(spec, None, "", &mut seen, &mut out);
    // What no root leads to is part of a cycle; validation says so, the screen still shows it.
    for slice in spec.slices.iter().filter(|s| !seen.contains(&s.id)) {
        out.push(format!("  {} (after {})", slice.id, names(&slice.deps)));
    }
    out
}

fn branches<'a>(
    spec: &'a Spec,
    parent: Option<&SliceId>,
    indent: &str,
    seen: &mut BTreeSet<&'a SliceId>,
    out: &mut Vec<String>,
) {
    let below: Vec<&Slice> = spec.slices.iter().filter(|s| s.deps.last() == parent).collect();
    for (i, slice) in below.iter().enumerate() {
        // Thirty levels are more than a screen shows; each slice is shown once.
        if indent.chars().count() > 60 || !seen.insert(&slice.id) {
            continue;
        }
        let last = i + 1 == below.len();
        let (branch, next) = match (parent, last) {
            (None, _) => ("", ""),
            (Some(_), true) => ("└─ ", "   "),
            (Some(_), false) => ("├─ ", "│  "),
        };
        let title = if slice.title == slice.id.as_str() { String::new() } else { format!(" {}", slice.title) };
        let others = &slice.deps[..slice.deps.len().saturating_sub(1)];
        let also = if others.is_empty() { String::new() } else { format!(", also after {}", names(others)) };
        out.push(format!("  {indent}{branch}{}:{title}{also} [{}]", slice.id, slice.owned_paths.join(" ")));
        branches(spec, Some(&slice.id), &format!("{indent}{next}"), seen, out);
    }
}

fn names(ids: &[SliceId]) -> String {
    ids.iter().map(SliceId::as_str).collect::<Vec<_>>().join(", ")
}

/// Requirements that little stands for, with the reason.
fn weak(spec: &Spec, facts: &ScreenFacts) -> Vec<String> {
    let mut out = Vec::new();
    for r in &spec.requirements {
        let proves = |(slice, c): &(Option<&Slice>, &Check)| match slice {
            _ if c.gate == Gate::Keeps => false,
            Some(s) if c.proves.is_empty() => s.requirements.contains(&r.id),
            _ => c.proves.contains(&r.id),
        };
        let by: Vec<&Check> = spec.checks().filter(proves).map(|(_, c)| c).collect();
        let reason = if by.is_empty() {
            "no new check".to_owned()
        } else if by.iter().any(|c| c.kind.is_unwritten().is_some()) {
            "not proven: a check of it is not written yet".to_owned()
        } else if by.iter().all(|c| facts.self_written.contains(&c.id)) {
            "only checks that its own slice writes".to_owned()
        } else {
            let few = if by.len() == 1 { "one check" } else { "all checks" };
            match by.iter().map(|c| strength(&c.kind)).max().unwrap_or(Strength::ExitOnly) {
                Strength::ExitOnly => format!("{few}, only the exit code"),
                Strength::EmptyOnly => format!("{few}, only the empty case"),
                Strength::Content if by.len() == 1 => few.to_owned(),
                Strength::Content => continue,
            }
        };
        out.push(format!("{}: {reason}", r.id));
    }
    // Many with one reason are one line.
    let (single, mut rest): (Vec<_>, Vec<_>) = out.into_iter().partition(|l| l.ends_with(": one check"));
    if !single.is_empty() {
        let ids: Vec<&str> = single.iter().filter_map(|l| l.strip_suffix(": one check")).collect();
        rest.push(format!("{}: one check", ids.join(", ")));
    }
    rest
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    ExitOnly,
    EmptyOnly,
    Content,
}

/// How much of what a program does a check looks at.
fn strength(kind: &CheckKind) -> Strength {
    match kind {
        CheckKind::CliProbe { stdout, stdout_contains, stdout_matches, stderr_contains, .. } => match stdout.as_deref()
        {
            _ if !stdout_contains.is_empty() || stdout_matches.is_some() || !stderr_contains.is_empty() => {
                Strength::Content
            }
            None => Strength::ExitOnly,
            Some("") => Strength::EmptyOnly,
            Some(_) => Strength::Content,
        },
        CheckKind::ApiProbe { expect_body_contains: None, expect_json, .. } if expect_json.is_empty() => {
            Strength::ExitOnly
        }
        _ => Strength::Content,
    }
}

/// Who writes the code.
fn code_line(spec: &Spec, facts: &ScreenFacts) -> String {
    let who = facts.writer.as_deref().unwrap_or("an agent");
    let coded = spec.slices.iter().filter(|s| spec.files.iter().any(|f| f.slice == s.id && f.attempt == 1)).count();
    let all = spec.slices.len();
    match coded {
        0 => format!("Who writes the code: {who}; otto orders, checks and lands it."),
        n if n == all => "No model is used: this intent carries its own code; otto orders, checks and lands it.".into(),
        n => format!("{n} of {all} slices carry their own code; {who} writes the others."),
    }
}

fn bounds(facts: &ScreenFacts) -> String {
    let calls = match facts.agent_calls {
        0 => "No agent calls".to_owned(),
        1 => "At most 1 agent call".to_owned(),
        n => format!("At most {n} agent calls, stops at {}", dollars(facts.usd_micros)),
    };
    match facts.baseline_s {
        Some(s) if s >= 90 => format!("{calls}, baseline {} min.", s.div_ceil(60)),
        Some(s) => format!("{calls}, baseline {s} s."),
        None => format!("{calls}."),
    }
}

fn dollars(micros: u64) -> String {
    let (whole, cents) = (micros / 1_000_000, micros % 1_000_000 / 10_000);
    if cents == 0 { format!("${whole}") } else { format!("${whole}.{cents:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test compiles a real intent; production code of this stage does not reach into `intent`.
    fn spec(source: &str) -> Spec {
        crate::intent::compile(source.as_bytes(), "x.md", None).unwrap_or_else(|e| panic!("{}", e.render(false))).spec
    }

    #[test]
    fn the_example_fits_one_screen() {
        let spec = spec(include_str!("../../examples/jot.md"));
        let facts = ScreenFacts { guessed: vec!["the command `add`, from R3".into()], ..Default::default() };
        let shown = screen(&spec, &facts);
        assert!(shown.lines().count() <= LINES);
        assert!(shown.contains("  new    R1: `./jot frob` exits 2"));
        assert!(shown.contains("└─ export: Taking the notes elsewhere, also after list [cmd/export]"));
        assert!(shown.contains("  keeps  R3: "));
        assert!(shown.contains("No model is used"));
        assert!(shown.ends_with("No agent calls.\n"));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut source = String::from("# big\n\nKind: cli, started as `./big`.\n");
        for i in 0..60 {
            source += &format!(
                "\n## Slice `s{i}`\n\n**R{i}** Something holds.\n\nCheck: `./big {i}` exits 1.\n\nOwns: `f{i}`.\n"
            );
        }
        let mut spec = spec(&source);
        // What an agent compiles, or a spec in JSON has, was not read as an intent.
        for requirement in &mut spec.requirements {
            requirement.text = "Something \u{200b}holds.".into();
        }
        let facts = ScreenFacts {
            guessed: vec!["one".into(); 20],
            self_written: ["s3-1".to_owned()].into(),
            writer: Some("claude/opus".into()),
            agent_calls: 12,
            usd_micros: 10_000_000,
            baseline: vec!["`make test` green in 350 s, kept".into(), "`make lint` red on the base, not a gate".into()],
            baseline_s: Some(350),
        };
        let shown = screen(&spec, &facts);
        assert_eq!(shown.lines().count(), LINES);
        for part in
            ["more requirements: git otto show big", "more slices: git otto show big", "more checks: git otto show big"]
        {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        assert!(shown.contains("self-written R3: "));
        assert!(shown.contains("R0: one check, only the exit code"));
        assert!(shown.ends_with("At most 12 agent calls, stops at $10, baseline 6 min.\n"), "{shown}");
    }
}
