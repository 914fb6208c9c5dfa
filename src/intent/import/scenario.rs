//! Acceptance scenarios: given, when, then. One that runs a command and says what it prints becomes a check; no other
//! one does, for what its words mean would be guessed.

use std::sync::LazyLock;

use regex::Regex;

use super::outline::flat;
use crate::checks::model::CheckKind;

/// A scenario in its steps.
#[derive(Debug, Default)]
pub(super) struct Scenario {
    steps: Vec<(Step, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Given,
    When,
    Then,
}

/// Where a step begins: its word in bold anywhere, or plain at the start or after a comma, with a capital.
static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "(?i:given|when|then|and|but)";
    let plain = "(?:Given|When|Then|And|But|GIVEN|WHEN|THEN|AND|BUT)";
    Regex::new(&format!(r"(?:\*\*|__)({words}):?(?:\*\*|__):?|(?:^|[,;.]\s+|[-*]\s+)({plain})\b:?")).ok()
});

impl Scenario {
    /// Adds the steps that a text states; tells whether there is any.
    pub(super) fn add(&mut self, text: &str) -> bool {
        let Some(word) = WORD.as_ref() else { return false };
        let text = flat(text);
        let mut found = word.captures_iter(&text).peekable();
        let mut any = false;
        while let Some(at) = found.next() {
            let (Some(all), Some(name)) = (at.get(0), at.get(1).or(at.get(2))) else { continue };
            let end = found.peek().and_then(|next| next.get(0)).map_or(text.len(), |next| next.start());
            let step = match name.as_str().to_ascii_lowercase().as_str() {
                "given" => Step::Given,
                "when" => Step::When,
                "then" => Step::Then,
                // `And` goes on with the step before it.
                _ => self.steps.last().map_or(Step::Given, |(step, _)| *step),
            };
            let said = text.get(all.end()..end).unwrap_or_default().trim().trim_end_matches([',', ';', '.', '-', ' ']);
            if !said.is_empty() {
                self.steps.push((step, said.to_owned()));
                any = true;
            }
        }
        any
    }

    /// Whether it says what happens.
    pub(super) fn is_whole(&self) -> bool {
        self.steps.iter().any(|(step, _)| *step == Step::Then)
    }

    /// It as one sentence without its full stop.
    pub(super) fn words(&self) -> String {
        let mut out = String::new();
        let mut last = None;
        for (step, said) in &self.steps {
            let word = match step {
                same if last == Some(*same) => "and",
                Step::Given => "given",
                Step::When => "when",
                Step::Then => "then",
            };
            out.push_str(if out.is_empty() { "" } else { ", " });
            out.push_str(&format!("{word} {said}"));
            last = Some(*step);
        }
        out
    }

    /// The check that it states, if every step of it is a command or something that a command's end can show.
    pub(super) fn probe(&self) -> Option<CheckKind> {
        let of = |step: Step| self.steps.iter().filter(move |(s, _)| *s == step).map(|(_, said)| said.as_str());
        let before: Vec<&str> = of(Step::Given).map(command).collect::<Option<_>>()?;
        let [when] = of(Step::When).collect::<Vec<_>>()[..] else { return None };
        let when = command(when)?;
        let mut shown = Shown::default();
        for said in of(Step::Then) {
            for clause in clauses(said) {
                shown.read(&clause)?;
            }
        }
        // How a program ends that shows an error is not said by the error.
        if !shown.any || !shown.errors.is_empty() && shown.exit.is_none() {
            return None;
        }
        // What a step before it prints is not what is asked about, and one that fails must not pass for the answer.
        let failed = if shown.exit == Some(99) { 98 } else { 99 };
        let before: String = before.iter().map(|c| format!("{{ {c}; }} >/dev/null || exit {failed}\n")).collect();
        Some(CheckKind::CliProbe {
            command: Vec::new(),
            shell: Some(before + when),
            stdin: None,
            expect_exit: shown.exit.unwrap_or(0),
            stdout: shown.stdout,
            stdout_contains: shown.contains,
            stdout_matches: None,
            stderr_contains: shown.errors,
        })
    }
}

/// The parts of a step: what stands between `and` and commas outside of back quotes.
fn clauses(said: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for (n, part) in said.split('`').enumerate() {
        let mark = if n == 0 { "" } else { "`" };
        let pieces: Vec<&str> = match n % 2 {
            0 => part.split(" and ").flat_map(|p| p.split(", ")).collect(),
            _ => vec![part],
        };
        for (k, piece) in pieces.into_iter().enumerate() {
            match out.last_mut() {
                Some(last) if k == 0 => last.extend([mark, piece]),
                _ => out.push(piece.to_owned()),
            }
        }
    }
    out
}

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static COMMAND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let who = "(?:(?:the|a|an) )?(?:i|we|they|you|user|person|someone|developer)";
    let verb = "(?:run|runs|ran|running|execute|executes|executed|enter|enters|entered|type|types|typed|call|calls|called|invoke|invokes|invoked)";
    regex(&format!("^(?i:(?:{who} )?(?:has |have )?{verb}) `([^`]+)`$"))
});

/// The command that a step runs, if it says nothing else.
fn command(said: &str) -> Option<&str> {
    Some(COMMAND.as_ref()?.captures(said.trim())?.get(1)?.as_str().trim()).filter(|c| !c.is_empty())
}

/// What a command is to show.
#[derive(Default)]
struct Shown {
    any: bool,
    exit: Option<i32>,
    stdout: Option<String>,
    contains: Vec<String>,
    errors: Vec<String>,
}

static CLAUSES: LazyLock<Option<[Regex; 5]>> = LazyLock::new(|| {
    let it = "(?:(?:it|the (?:command|program|tool|output)|output|standard output|stdout) )?(?:should |shall |must )?";
    let with = "(?:with )?(?:the )?(?:an? )?";
    Some([
        regex(&format!("^(?i:{it}(?:prints?|outputs?|writes?|is)(?: exactly)?) `([^`]+)`$"))?,
        regex(&format!("^(?i:{it}(?:contains?|includes?|shows?|displays?|mentions?)) `([^`]+)`$"))?,
        regex(&format!("^(?i:{it}(?:prints? nothing|is empty))$"))?,
        regex(&format!(
            "^(?i:{it}(?:exits?|ends?|returns?|fails?) {with}(?:exit )?(?:code |status )?(?:code )?|the exit (?:code|status) is )`?([0-9]{{1,3}})`?$"
        ))?,
        regex(&format!(
            "^(?i:{it}(?:prints |shows )?{with}(?:error|error message|stderr|standard error)(?: message)? (?:with|contains|containing|mentions|mentioning|says|saying)) `([^`]+)`$"
        ))?,
    ])
});

impl Shown {
    /// Takes one clause; none if it says anything that is not understood, or that contradicts another one.
    fn read(&mut self, clause: &str) -> Option<()> {
        let [exact, contains, nothing, exit, error] = CLAUSES.as_ref()?;
        let clause = clause.trim().trim_end_matches('.');
        let part = |r: &Regex| r.captures(clause)?.get(1).map(|m| m.as_str().to_owned());
        self.any = true;
        if let Some(line) = part(exact) {
            return self.stdout.replace(line + "\n").is_none().then_some(());
        }
        if let Some(text) = part(contains) {
            self.contains.push(text);
            return Some(());
        }
        if nothing.is_match(clause) {
            return self.stdout.replace(String::new()).is_none().then_some(());
        }
        if let Some(code) = part(exit) {
            let code = code.parse().ok().filter(|code| *code < 256)?;
            return self.exit.replace(code).is_none().then_some(());
        }
        self.errors.push(part(error)?);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Scenario {
        let mut scenario = Scenario::default();
        scenario.add(text);
        scenario
    }

    #[test]
    fn steps_are_found_in_each_spelling() {
        for text in [
            "**Given** a list, **When** a note is added, **Then** it is kept and shown",
            "Given a list, When a note is added, Then it is kept and shown.",
            "- **GIVEN** a list\n- **WHEN** a note is added\n- **THEN** it is kept and shown",
        ] {
            assert_eq!(of(text).words(), "given a list, when a note is added, then it is kept and shown", "{text}");
        }
        let and = of("**WHEN** a **AND** b **THEN** c **But** d");
        assert_eq!(and.words(), "when a, and b, then c, and d");
        assert!(and.is_whole() && !of("**When** a").is_whole() && !Scenario::default().add("nothing of it"));
    }

    #[test]
    fn only_what_a_commands_end_can_show_becomes_a_check() {
        let shell = |text: &str| match of(text).probe()? {
            CheckKind::CliProbe { shell, expect_exit, stdout, stdout_contains, stderr_contains, .. } => {
                Some((shell?, expect_exit, stdout, stdout_contains.concat(), stderr_contains.concat()))
            }
            _ => None,
        };
        let probe = |s: &str, exit, out: Option<&str>, has: &str, err: &str| {
            Some((s.to_owned(), exit, out.map(str::to_owned), has.to_owned(), err.to_owned()))
        };
        assert_eq!(
            shell("**When** the user runs `./notes list`, **Then** it prints `1:tea`"),
            probe("./notes list", 0, Some("1:tea\n"), "", "")
        );
        assert_eq!(
            shell(
                "**Given** the user ran `./notes add tea`, **When** they run `./notes list`, **Then** the output contains `tea` **And** the exit code is 0"
            ),
            probe("{ ./notes add tea; } >/dev/null || exit 99\n./notes list", 0, None, "tea", "")
        );
        assert_eq!(
            shell("WHEN running `./notes frob`, THEN it fails with exit code 2 and it shows an error with `usage`"),
            probe("./notes frob", 2, None, "", "usage")
        );
        assert_eq!(
            shell("**When** I run `./notes list`, **Then** it prints nothing"),
            probe("./notes list", 0, Some(""), "", "")
        );
        assert_eq!(
            shell("**When** I run `./greet Ann`, **Then** it prints `Hello, Ann and Bo.` and it exits with code 0"),
            probe("./greet Ann", 0, Some("Hello, Ann and Bo.\n"), "", "")
        );
        for vague in [
            "**Given** three notes, **When** the user runs `./notes list`, **Then** it prints `tea`",
            "**When** the user runs `./notes list` twice, **Then** it prints `tea`",
            "**When** the user runs `./notes list`, **Then** it prints `tea` and everybody is happy",
            "**When** the user runs `./notes list`, **Then** it works",
            "**When** the user runs `./notes frob`, **Then** it shows an error with `usage`",
            "**When** the user opens `notes.html`, **Then** it shows `tea`",
            "**When** the user runs `a`, **And** runs `b`, **Then** it prints `x`",
            "**When** the user runs `a`, **Then** it exits with code 2 and the exit code is 3",
            "**When** the user runs `a`, **Then** it exits with code 300",
            "**When** the user runs `a`",
        ] {
            assert_eq!(shell(vague), None, "{vague}");
        }
    }
}
