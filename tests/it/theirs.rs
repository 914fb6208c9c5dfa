//! The user's checkout and home are theirs: a real agent leaves its own login there, and nothing else.
#![cfg(feature = "faults")]

use git_otto::sandbox::Level;

use crate::{sandbox::levels, support::Sandbox};

const INTENT: &str = "# Word\n\nA word in a file.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n\
                      ## Slice `word`\n\n**R1** It is there.\n\nOwns: `word.txt`.\n\nCheck: `cat word.txt` prints `word`.\n";

/// What a stand-in for `claude` does: it keeps its conversation as the real one does, and builds the slice.
const WORK: &str = r#"#!/bin/sh
cat > /dev/null
mkdir "$HOME/.claude/projects"
echo said > "$HOME/.claude/projects/talk.jsonl"
echo word > word.txt
"#;

/// What it should not do, whether it succeeds or not.
const TRESPASS: &str = r#"
for file in "$REPO/README.md" "$REPO/new" "$REPO/.git/hooks/pre-commit" "$HOME/.bashrc" "$HOME/.gitconfig"; do
    echo x 2> /dev/null >> "$file"
done
mkdir -p "$HOME/.cache/claude"
"#;

const END: &str = r#"
echo '{"type":"result","subtype":"success","is_error":false,"result":"done","total_cost_usd":0,"permission_denials":[]}'
"#;

/// Has the stand-in build the slice; everything that is different afterwards is its login.
fn only_the_login_is_left(level: Level, script: &str) {
    let s = Sandbox::outside_of_tmp();
    let path = s.confine(level);
    s.script("bin/claude", script);
    s.git(&["config", "--global", "otto.agentEnv", "REPO"]);
    s.write("intent.md", INTENT);
    let before = s.snapshot();
    let repo = s.repo().display().to_string();
    let vars = [("PATH", path.as_str()), ("REPO", repo.as_str())];
    s.otto_with(&["run", "--yes", "--agent", "claude", "../intent.md"], &vars, None).exits(0);
    let login = ["home/.claude", "home/.claude/projects", "home/.claude/projects/talk.jsonl"];
    assert_eq!(before.differences(&s.snapshot()), login.map(|path| format!("{path} was added")), "{level}");
}

#[test]
fn an_agent_leaves_its_login_and_nothing_else() {
    only_the_login_is_left(Level::None, &[WORK, END].concat());
}

#[test]
fn a_confined_agent_that_goes_astray_leaves_its_login_and_nothing_else() {
    for level in levels().into_iter().filter(|level| *level != Level::None) {
        only_the_login_is_left(level, &[WORK, TRESPASS, END].concat());
    }
}
