//! Specs change by one door: every way of input, every refusal, the editor, the copies in checkouts, and what is told of it.

mod copies;
mod editor;
mod history;
mod inputs;
#[cfg(feature = "faults")]
mod retire;

use serde_json::Value;

use super::support::{Output, Sandbox};

const INTENT: &str = "# Words\n\nTwo words.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n\
    ## Slice `one`\n\n**R1** The first is there.\n\n- Keep it short.\n\nOwns: `one.txt`.\n\nCheck: `cat one.txt` prints `one`.\n\n\
    ## Slice `two`, after `one`\n\n**R2** The second is there.\n\nOwns: `two.txt`.\n\nCheck: `cat two.txt` prints `two`.\n";

/// A repository with the draft of the spec `words`.
fn drafted() -> Sandbox {
    let s = Sandbox::new();
    s.git(&["config", "--global", "otto.fsync", "false"]);
    s.write("intent.md", INTENT);
    s.otto(&["compile", "../intent.md"]).exits(0);
    s
}

/// A repository with the approved spec `words`.
fn approved() -> Sandbox {
    let s = drafted();
    s.otto(&["approve", "words", "--yes"]).exits(0);
    s
}

/// The spec as it is now.
fn spec(s: &Sandbox) -> Value {
    let shown = s.otto(&["show", "words", "--json"]).exits(0).json();
    serde_json::from_str(shown["spec_json"].as_str().unwrap()).unwrap()
}

/// The newest record.
fn newest(s: &Sandbox) -> Value {
    s.otto(&["log", "words", "--json"]).exits(0).json()["records"][0].clone()
}

fn tip(s: &Sandbox) -> String {
    s.git(&["rev-parse", "refs/otto/specs/words"])
}

/// What a refusal says: the sentence and all that goes with it, without what starts the lines.
fn refusal(out: &Output) -> Vec<&str> {
    out.stderr.lines().map(|l| l.trim_start().trim_start_matches("error: ").trim_start_matches("because: ")).collect()
}

/// Amends by `--set`; it must succeed.
fn amend(s: &Sandbox, set: &str) -> Output {
    s.otto(&["amend", "words", "-m", "Because.", "--set", set]).exits(0)
}
