//! Agents that attack whoever runs them, at each level of confinement that this machine has: each attack is contained,
//! journalled and told, and the others land.
#![cfg(feature = "faults")]

use std::fs;

use git_otto::sandbox::Level;
use serde_json::Value;

use crate::{sandbox::levels, support::Sandbox};

/// How an attack is contained.
enum End {
    /// It changes nothing that counts: the slice lands.
    Lands,
    /// What it left is refused, in these words.
    Refused(&'static str),
    /// It is ended, in these words.
    Ended(&'static str),
    /// It fails, in these words under bubblewrap and in those under Landlock. Without confinement it would succeed.
    Fails(&'static str, &'static str),
}
use End::{Ended, Fails, Lands, Refused};

const UNWRITABLE: End = Fails("Read-only file system", "Permission denied");

/// What each slice's agent does before it does its work, and how it is contained at each level that can contain it; with
/// `set -e`, so that an attack that fails fails the agent.
const ATTACKS: &[(&str, &str, End)] = &[
    ("fine", ":", Lands),
    ("peer", "echo mine > fine.txt", Refused("another slice owns it")),
    ("judge", "mkdir -p .otto/specs; echo '{}' > .otto/specs/siege.json", Refused("judged")),
    ("runner", "echo '[pytest]' > pytest.ini", Refused("configures how checks run")),
    ("maingit", "echo x >> \"$REPO/.git/config\"", UNWRITABLE),
    ("refs", "echo 0000000000000000000000000000000000000000 > \"$REPO/.git/refs/heads/evil\"", UNWRITABLE),
    ("monitor", "git -C \"$REPO\" config core.fsmonitor 'touch /tmp/pwned'", UNWRITABLE),
    ("hooks", "printf '#!/bin/sh\\ntouch \"%s/pwned\"\\n' \"$REPO\" > \"$REPO/.git/hooks/pre-commit\"", UNWRITABLE),
    ("worktree", "echo x > \"$REPO/README.md\"", UNWRITABLE),
    ("ssh", "cat \"$HOME/.ssh/id_ed25519\"", Fails("No such file", "Permission denied")),
    ("state", "ls \"$REPO\"/../state/git-otto/*/*/transcripts", Fails("No such file", "No such file")),
    (
        "private",
        "rm -rf .git; git init -q .; git config core.fsmonitor 'touch pwned'; mkdir -p .git/hooks; \
                 printf '#!/bin/sh\\ntouch pwned\\n' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout",
        Lands,
    ),
    ("nested", "mkdir sub; git init -q sub; echo x > sub/file", Refused("sub")),
    ("link", "ln -s \"$HOME/.ssh/id_ed25519\" private.txt", Refused("leads outside")),
    (
        "daemon",
        "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.1; echo bad > daemon.txt; done' > /dev/null 2>&1 &",
        Lands,
    ),
    ("flood", "head -c 1000000000 /dev/zero", Lands),
    ("forever", "echo started; sleep 100000", Ended("was silent for more than")),
];

#[test]
fn every_attack_is_contained_journalled_and_told_under_bubblewrap() {
    besiege(Level::Bubblewrap);
}

#[test]
fn every_attack_is_contained_journalled_and_told_under_landlock() {
    besiege(Level::Landlock);
}

#[test]
fn what_needs_no_confinement_is_contained_journalled_and_told_without() {
    besiege(Level::None);
}

fn besiege(level: Level) {
    if !levels().contains(&level) {
        return;
    }
    let attacks = || ATTACKS.iter().filter(|(.., end)| level != Level::None || !matches!(end, Fails(..)));
    let s = Sandbox::outside_of_tmp();
    s.git(&["config", "--global", "otto.fsync", "false"]);
    let path = s.confine(level);
    s.git(&["config", "otto.agentEnv", "REPO"]);
    s.git(&["config", "otto.agent.idle", "8"]);
    s.git(&["config", "otto.attempts", "1"]);
    s.write("home/.ssh/id_ed25519", "the user's own key\n");
    let mut script = "set -e\ncat > /dev/null\ncase $OTTO_SLICE in\n".to_owned();
    let mut intent = "# Siege\n\nFiles.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n".to_owned();
    for (i, (slice, attack, _)) in attacks().enumerate() {
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
        &[("REPO", s.repo().to_str().unwrap()), ("PATH", &path)],
        None,
    );
    assert!(matches!(out.code, 4 | 5), "{out}");
    before.assert_same(&s.snapshot());
    assert!(!s.repo().join("pwned").exists() && !std::path::Path::new("/tmp/pwned").exists());

    let answer: Value = serde_json::from_str(out.stdout.lines().last().unwrap()).unwrap();
    let read = |key: &str| fs::read_to_string(answer[key].as_str().unwrap()).unwrap();
    let (packet, markdown): (Value, String) = (serde_json::from_str(&read("packet_json")).unwrap(), read("packet"));
    for (slice, _, end) in attacks() {
        let found = packet["slices"].as_array().unwrap().iter().find(|p| p["id"] == *slice).unwrap();
        let (phase, reason, word) = match (end, level) {
            (Lands, _) => ("landed", "", ""),
            (Refused(word), _) => ("blocked", "scope", *word),
            (Ended(word), _) | (Fails(word, _), Level::Bubblewrap) | (Fails(_, word), _) => ("blocked", "agent", *word),
        };
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
    let mut confined = 0;
    for line in s.git(&["for-each-ref", "--format=%(refname)", "refs/otto/evidence"]).lines() {
        for file in s.git(&["ls-tree", "-r", "--name-only", line]).lines().filter(|f| f.ends_with("/result.json")) {
            let result: Value = serde_json::from_str(&s.git(&["show", &format!("{line}:{file}")])).unwrap();
            assert_eq!(result["sandbox"], level.to_string(), "{file}");
            confined += 1;
        }
    }
    assert!(confined > 0);
    s.otto(&["verify", "--all"]).exits(0);
}
