//! Agents that attack whoever runs them: each attack is contained, journalled and told, and the others land.
#![cfg(feature = "faults")]

use std::fs;

use serde_json::Value;

use crate::support::Sandbox;

/// What each slice's agent does before it does its work; `set -e`, so that an attack that fails fails the agent.
const ATTACKS: &[(&str, &str)] = &[
    ("fine", ":"),
    ("peer", "echo mine > fine.txt"),
    ("judge", "mkdir -p .otto/specs; echo '{}' > .otto/specs/siege.json"),
    ("runner", "echo '[pytest]' > pytest.ini"),
    ("maingit", "echo x >> \"$REPO/.git/config\""),
    ("refs", "echo 0000000000000000000000000000000000000000 > \"$REPO/.git/refs/heads/evil\""),
    ("monitor", "git -C \"$REPO\" config core.fsmonitor 'touch /tmp/pwned'"),
    ("hooks", "printf '#!/bin/sh\\ntouch \"%s/pwned\"\\n' \"$REPO\" > \"$REPO/.git/hooks/pre-commit\""),
    ("worktree", "echo x > \"$REPO/README.md\""),
    ("ssh", "cat \"$HOME/.ssh/id_ed25519\""),
    ("state", "ls \"$REPO\"/../state/git-otto/*/*/transcripts"),
    (
        "private",
        "rm -rf .git; git init -q .; git config core.fsmonitor 'touch pwned'; mkdir -p .git/hooks; \
                 printf '#!/bin/sh\\ntouch pwned\\n' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout",
    ),
    ("nested", "mkdir sub; git init -q sub; echo x > sub/file"),
    ("link", "ln -s \"$HOME/.ssh/id_ed25519\" private.txt"),
    (
        "daemon",
        "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.1; echo bad > daemon.txt; done' > /dev/null 2>&1 &",
    ),
    ("flood", "head -c 1000000000 /dev/zero"),
    ("forever", "echo started; sleep 100000"),
];

/// How the attack ends: the phase of its slice, the reason of its failed attempt, a word of what is told.
fn expected(slice: &str) -> (&'static str, &'static str, &'static str) {
    match slice {
        "fine" | "private" | "daemon" | "flood" => ("landed", "", ""),
        "peer" => ("blocked", "scope", "another slice owns it"),
        "judge" => ("blocked", "scope", "judged"),
        "runner" => ("blocked", "scope", "configures how checks run"),
        "nested" => ("blocked", "scope", "sub"),
        "link" => ("blocked", "scope", "leads outside"),
        "forever" => ("blocked", "agent", "was silent for more than"),
        "ssh" | "state" => ("blocked", "agent", "No such file"),
        _ => ("blocked", "agent", "Read-only file system"),
    }
}

#[test]
fn every_attack_is_contained_journalled_and_told() {
    let s = Sandbox::outside_of_tmp();
    s.git(&["config", "--global", "otto.fsync", "false"]);
    s.git(&["config", "--global", "otto.sandbox", "require"]);
    s.git(&["config", "otto.agentEnv", "REPO"]);
    s.git(&["config", "otto.agent.idle", "8"]);
    s.git(&["config", "otto.attempts", "1"]);
    s.write("home/.ssh/id_ed25519", "the user's own key\n");
    let mut script = "set -e\ncat > /dev/null\ncase $OTTO_SLICE in\n".to_owned();
    let mut intent = "# Siege\n\nFiles.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n".to_owned();
    for (i, (slice, attack)) in ATTACKS.iter().enumerate() {
        script += &format!("{slice}) {attack} ;;\n");
        intent += &format!(
            "## Slice `{slice}`\n\n**R{}** The part is there.\n\nOwns: `{slice}.txt`.\n\nCheck: `cat {slice}.txt` prints `{slice}`.\n\n",
            i + 1
        );
    }
    script += "esac\necho $OTTO_SLICE > $OTTO_SLICE.txt\necho; echo '{\"ok\":true,\"summary\":\"done\"}'\n";
    s.write("intent.md", intent);
    // The agent's own program is part of the repository, where confined programs may read it.
    s.commit("An agent", &[("agent.sh", &script)]);
    let before = s.snapshot();
    let agent = "command:sh agent.sh";
    let out = s.otto_with(
        &["run", "--json", "--yes", "--jobs", "4", "--agent", agent, "../intent.md"],
        &[("REPO", s.repo().to_str().unwrap())],
        None,
    );
    assert!(matches!(out.code, 4 | 5), "{out}");
    before.assert_same(&s.snapshot());
    assert!(!s.repo().join("pwned").exists() && !std::path::Path::new("/tmp/pwned").exists());

    let answer: Value = serde_json::from_str(out.stdout.lines().last().unwrap()).unwrap();
    let read = |key: &str| fs::read_to_string(answer[key].as_str().unwrap()).unwrap();
    let (packet, markdown): (Value, String) = (serde_json::from_str(&read("packet_json")).unwrap(), read("packet"));
    for (slice, _) in ATTACKS {
        let found = packet["slices"].as_array().unwrap().iter().find(|p| p["id"] == *slice).unwrap();
        let (phase, reason, word) = expected(slice);
        assert_eq!(found["phase"], phase, "{found:#}");
        if phase == "blocked" {
            let failed = &found["attempts"][0]["failed"];
            assert_eq!(failed["reason"], reason, "{found:#}");
            assert!(failed["detail"].as_str().unwrap().contains(word), "{slice}: {failed}");
            assert!(markdown.contains(&format!("`{slice}`")), "{slice} is told");
        }
    }
    // Nothing of the attacks is in what landed, in the evidence or in the journal.
    let objects = s.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"]);
    for line in objects.lines().filter(|l| l.ends_with(" blob")) {
        let content = s.git(&["cat-file", "blob", line.split(' ').next().unwrap()]);
        assert!(!content.contains("the user's own key"), "{line}");
    }
    assert_eq!(s.git(&["show", "otto/siege:daemon.txt"]), "daemon");
    assert_eq!(s.git(&["ls-tree", "--name-only", "otto/siege", "--", "pwned", "sub", "pytest.ini"]), "");
    // No process of theirs is left.
    let state = s.path("state");
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        assert!(!cwd.starts_with(&state), "{:?} runs on in {}", entry.file_name(), cwd.display());
    }
    // How they were confined is in the evidence.
    for line in s.git(&["for-each-ref", "--format=%(refname)", "refs/otto/evidence"]).lines() {
        for file in s.git(&["ls-tree", "-r", "--name-only", line]).lines().filter(|f| f.ends_with("/result.json")) {
            let result: Value = serde_json::from_str(&s.git(&["show", &format!("{line}:{file}")])).unwrap();
            assert_ne!(result["sandbox"], "none", "{file}");
        }
    }
    s.otto(&["verify", "--all"]).exits(0);
}
