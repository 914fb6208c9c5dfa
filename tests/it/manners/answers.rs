//! What commands answer with `--json` is what the published schema says.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    layering,
    support::{EXAMPLE, Sandbox},
};

const SCHEMA: &str = include_str!("../../../schemas/answers.json");

/// Whoever adds an answer publishes what it looks like.
#[test]
fn every_answer_has_a_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let published: BTreeSet<&String> = schema["$defs"].as_object().unwrap().keys().collect();
    let mut named = BTreeSet::new();
    for (_, source) in layering::sources().into_iter().filter(|(path, _)| path.starts_with("cli/")) {
        let name = |text: String| Some(text.strip_prefix("otto.")?.strip_suffix("/1")?.to_owned());
        named.extend(layering::texts(&source).filter_map(name).filter(|n| n != "spec" && !n.contains('{')));
    }
    assert!(named.len() > 20, "only {named:?} were found");
    for name in &named {
        assert!(published.contains(name), "schemas/answers.json has nothing of otto.{name}/1");
    }
}

#[test]
fn answers_are_as_their_schema_says() {
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    let schema = s.otto(&["schema", "answers"]).exits(0).json();
    let check = |line: &str| {
        let args: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let out = s.otto(&args).exits(0).stdout;
        let answer: Value = serde_json::from_str(out.lines().last().unwrap_or_default()).expect(line);
        let name = answer["schema"].as_str().and_then(|n| n.strip_prefix("otto.")?.strip_suffix("/1")).expect(line);
        let validator = jsonschema::draft202012::new(&schema["$defs"][name]).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{line}: {errors:#?}");
    };
    for line in [
        "status",
        "new",
        "compile ../jot.md",
        "compile -n intent.md",
        "edit jot --set /title=jot",
        "approve jot -n",
        "run -n jot",
        "run --yes jot",
    ] {
        check(line);
    }
    s.git(&["init", "-q", "--bare", "../there.git"]);
    s.git(&["remote", "add", "origin", "../there.git"]);
    for line in [
        "status",
        "approve jot",
        "log -p",
        "diff jot@{1} jot",
        "show jot",
        "export",
        "export -o ../out.md",
        "config",
        "config otto.jobs",
        "agents",
        "schema",
        "schema spec",
        "report",
        "run -n jot",
        "why front",
        "queue",
        "check jot -n",
        "check jot --slice front --tree otto/jot",
        "audit",
        "deliver -n",
        "deliver",
        "undo --list",
        "undo -n",
        "evidence list",
        "verify",
        "man --out ../man -n",
        "resume",
        "recover",
        "run jot",
        "amend jot --set /title=Notes -m Longer -n",
        "remote add other ../there.git -n",
        "push -n",
        "sync",
        "fetch",
        "hooks install -n",
        "bundle create ../all.bundle",
        "close jot -n",
        "compile --id two ../jot.md",
        "gc -n",
        "gc",
        "discard two -n",
    ] {
        check(line);
    }
    let fork = s.git(&["rev-parse", "HEAD"]);
    for (name, text) in [("theirs", "theirs\n"), ("ours", "ours\n")] {
        s.git(&["switch", "-q", "-c", name, fork.trim()]);
        s.commit(name, &[("parted.txt", text)]);
    }
    s.try_git("repo", &["merge", "theirs"]);
    check("recover");
    check("recover --abort -n");
    s.git(&["add", "parted.txt"]);
    check("recover --continue -n");
    check("recover --continue");
    s.try_git("repo", &["cherry-pick", "theirs"]);
    check("recover --abort");
}
