//! An intent that is run again after somebody edited it: the difference in words, the amendment, and what is built.

use super::{assert_sound, refs, sandbox};
use crate::support::{EXAMPLE, Output, Sandbox};

/// One edit of the intent.
struct Edit {
    what: &'static str,
    /// What stands there, and what comes in its place.
    from: &'static str,
    to: &'static str,
    /// What the run is told besides the reason.
    more: &'static [&'static str],
    tier: u8,
    /// What is said of it, line by line.
    said: &'static [&'static str],
    /// What lands, and nothing else.
    lands: &'static [&'static str],
}

const SAME: &str = "";

const EDITS: &[Edit] = &[
    Edit {
        what: "a word of the prose",
        from: "with nothing to install",
        to: "with nothing at all to install",
        more: &["--override-intent"],
        tier: 1,
        said: &["+ Keep one-line notes from the shell, with nothing at all to install.", "takes up no slice"],
        lands: &[],
    },
    Edit {
        what: "what is left out",
        from: "Not: editing, syncing, colours.",
        to: "Not: editing, syncing.",
        more: &[],
        tier: 2,
        said: &["- colours", "takes up no slice"],
        lands: &[],
    },
    Edit {
        what: "the words of a requirement, which holds already",
        from: "prints the usage and exits 2",
        to: "prints how it is used and exits 2",
        more: &[],
        tier: 2,
        said: &["requirement R1", "takes up `front`; 3 slices stay"],
        lands: &[],
    },
    Edit {
        what: "a file that the checks are content with as it was",
        from: "grep -ns -- \"$1\"",
        to: "grep -n -s -e \"$1\"",
        more: &[],
        tier: 3,
        said: &["file `cmd/find` of slice `find`", "takes up `find`; 3 slices stay"],
        lands: &["find"],
    },
    Edit {
        what: "that file, back to what it was once before",
        from: "grep -n -s -e \"$1\"",
        to: "grep -ns -- \"$1\"",
        more: &[],
        tier: 3,
        said: &["takes up `find`"],
        lands: &["find"],
    },
    Edit {
        what: "a check, and the file that it now demands",
        from: "prints `usage: jot add|list|find` and exits 2.\n\nFile `jot`, executable:\n\n```sh\n#!/bin/sh\ncmd=$(dirname \"$0\")/cmd/${1:-none}\n[ -x \"$cmd\" ] || { echo \"usage: jot",
        to: "prints `use: jot add|list|find` and exits 2.\n\nFile `jot`, executable:\n\n```sh\n#!/bin/sh\ncmd=$(dirname \"$0\")/cmd/${1:-none}\n[ -x \"$cmd\" ] || { echo \"use: jot",
        more: &[],
        tier: 3,
        said: &["check `front-1` of slice `front`", "takes up `front`"],
        lands: &["front"],
    },
    Edit {
        what: "a new slice",
        from: "## Slice `find`",
        to: "## Slice `last`, after `add`\n\n**R5** `last` prints the newest note.\n\nCheck: `./jot add tea >&2; ./jot last` prints `tea`.\n\n\
             File `cmd/last`, executable:\n\n```sh\n#!/bin/sh\ntail -n 1 ~/.jot\n```\n\n## Slice `find`",
        more: &[],
        tier: 2,
        said: &["slice `last` is new", "takes up `last`; 4 slices stay"],
        lands: &["last"],
    },
    Edit {
        what: "the name of a slice",
        from: "## Slice `last`, after `add`\n",
        to: "## Slice `newest`, after `add`\n",
        more: &[],
        tier: 2,
        said: &["slice `last` is gone", "slice `newest` is new", "`last` is gone"],
        lands: &[],
    },
    Edit {
        what: "the order of slices",
        from: SAME,
        to: SAME,
        more: &[],
        tier: 2,
        said: &["order of the slices", "takes up no slice"],
        lands: &[],
    },
    Edit {
        what: "a slice that goes",
        from: SAME,
        to: SAME,
        more: &[],
        tier: 2,
        said: &["slice `newest` is gone", "4 slices stay", "git otto amend jot --retire <requirement>"],
        lands: &[],
    },
];

/// The text with the parts of slices, in front of each its heading.
fn parts(text: &str) -> Vec<String> {
    let mut parts = text.split("\n## ").map(str::to_owned);
    let mut all: Vec<String> = parts.next().into_iter().collect();
    all.extend(parts.map(|p| format!("\n## {p}")));
    all
}

fn edited(text: &str, edit: &Edit) -> String {
    if edit.from != SAME {
        assert_eq!(text.matches(edit.from).count(), 1, "{}", edit.what);
        return text.replace(edit.from, edit.to);
    }
    let mut all = parts(text);
    let at = all.iter().position(|p| p.starts_with("\n## Slice `newest`")).unwrap();
    let moved = all.remove(at);
    if edit.said.contains(&"order of the slices") {
        all.push(format!("{}\n", moved.trim_end()));
        all[at] = format!("{}\n", all[at].trim_end());
    }
    all.join("")
}

fn landed(s: &Sandbox, before: &str) -> Vec<String> {
    let range = format!("{before}..otto/jot");
    let log = s.git(&[
        "log",
        "--first-parent",
        "--reverse",
        "--format=%(trailers:key=Otto-Slice,valueonly,separator=)",
        &range,
    ]);
    log.lines().map(str::to_owned).collect()
}

fn run(s: &Sandbox, more: &[&str]) -> Output {
    s.otto(&[&["run", "../jot.md"], more].concat())
}

#[test]
fn each_kind_of_edit_is_amended_and_builds_what_it_changes() {
    let s = sandbox();
    let mut text = EXAMPLE.to_owned();
    s.write("jot.md", &text);
    run(&s, &["--yes"]).exits(0);
    let checkout = s.snapshot();
    for edit in EDITS {
        let what = edit.what;
        text = edited(&text, edit);
        s.write("jot.md", &text);
        let (before, tip) = (s.git(&["rev-parse", "otto/jot"]), s.git(&["rev-parse", "refs/otto/specs/jot"]));
        let all = refs(&s);

        // Without a reason nothing changes; the difference is told, and what to type.
        let out = run(&s, &[&["--yes"], edit.more].concat());
        assert_eq!(out.code, 8, "{what}: {out}");
        let next = [&["hint: git otto run ../jot.md"], edit.more, &["-m <reason>"]].concat().join(" ");
        assert!(out.stderr.contains(&next) && out.stderr.contains("git otto run jot"), "{what}: {out}");
        assert_eq!(refs(&s), all, "{what}");

        let out = run(&s, &[edit.more, &["-m", what]].concat());
        assert_eq!(out.code, 0, "{what}: {out}");
        for line in edit.said {
            assert!(out.stderr.contains(line), "{what}: no {line:?} in {out}");
        }
        assert!(out.stderr.contains(&format!(", tier {}\n", edit.tier)), "{what}: {out}");
        let record = s.otto(&["log", "jot", "--json"]).exits(0).json()["records"][0].clone();
        assert_eq!((&record["kind"], &record["reason"]), (&"amend".into(), &what.into()), "{record}");
        assert_eq!(s.git(&["rev-parse", "refs/otto/specs/jot^"]), tip, "{what}");
        assert_eq!(landed(&s, &before), edit.lands, "{what}: {out}");

        let again = run(&s, &[]).exits(0);
        assert!(again.stderr.contains("nothing changed since it passed"), "{what}: {again}");
    }
    checkout.assert_same(&s.snapshot());
    assert_sound(&s);
    // What is gone from the intent is not taken out of the product by that.
    assert!(s.git(&["show", "otto/jot:cmd/last"]).contains("tail -n 1"));
}

#[test]
fn an_amendment_by_running_again_keeps_to_the_rules() {
    let s = sandbox();
    s.write("jot.md", EXAMPLE);
    run(&s, &["--yes"]).exits(0);
    let before = refs(&s);
    // What was asked for changes on purpose only, whatever else is changed with it.
    s.write(
        "jot.md",
        EXAMPLE.replace("nothing to install", "nothing at all").replace("the usage and", "its usage and"),
    );
    let out = run(&s, &["-m", "Shorter"]).exits(3);
    assert!(out.stderr.contains("tier_1_violation") && out.stderr.contains("requirement R1"), "{out}");
    assert!(out.stderr.contains("hint: git otto run ../jot.md --override-intent -m <reason>"), "{out}");
    let json = run(&s, &["--json", "--override-intent"]).exits(8);
    let said: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(said["error"]["causes"], serde_json::json!(["intent", "requirement R1"]), "{json}");
    // What could not be built now is refused before it is recorded.
    s.write("jot.md", EXAMPLE.replace("the usage and", "its usage and"));
    s.git(&["worktree", "add", "-q", "../tree", "otto/jot"]);
    let out = run(&s, &["-m", "Its own"]).exits(8);
    assert!(out.stderr.contains("otto/jot is checked out in"), "{out}");
    assert_eq!(refs(&s), before);
}

#[test]
fn what_others_amended_is_kept_where_an_intent_is_run_again() {
    let s = sandbox();
    s.write("jot.md", EXAMPLE);
    run(&s, &["--yes"]).exits(0);
    let bob = [("GIT_AUTHOR_NAME", "Bob"), ("GIT_AUTHOR_EMAIL", "bob@example.org")];
    let set = "/requirements/2/text=`list` prints all notes with their numbers.";
    s.otto_with(&["amend", "jot", "-m", "Plainer", "--set", set], &bob, None).exits(0);
    // The same file: nothing of it is new.
    let would = run(&s, &["-n", "--json"]).exits(0).json();
    assert_eq!(
        (&would["would"], would["says"].as_str()),
        (&"build".into(), Some("R3 changed: building 1 of 4 slices"))
    );
    let out = run(&s, &[]).exits(0);
    assert!(out.stderr.contains("others amended the spec since"), "{out}");
    s.write("jot.md", EXAMPLE.replace("the usage and", "its usage and"));
    let out = run(&s, &["-m", "Its own"]).exits(0);
    assert!(out.stderr.contains("both go together") && !out.stderr.contains("requirement R3"), "{out}");
    let now = s.git(&["show", "refs/otto/specs/jot:spec.json"]);
    assert!(now.contains("prints its usage") && now.contains("prints all notes"), "{now}");
    // Of the same requirement two say different things.
    s.otto_with(&["amend", "jot", "-m", "B", "--set", "/requirements/0/text=Bob's words."], &bob, None).exits(0);
    s.write("jot.md", EXAMPLE.replace("the usage and", "our usage and"));
    let out = run(&s, &["-m", "Ours"]).exits(3);
    assert!(out.stderr.contains("stale_base") && out.stderr.contains("Bob's words."), "{out}");
    assert_sound(&s);
}
