//! The editor: git's own choice, and nothing that was typed is lost.

use super::*;

/// An editor that runs a script on `$1`, as `GIT_EDITOR` names it.
fn editor(s: &Sandbox, script: &str) -> String {
    s.script("home/ed itor", &format!("#!/bin/sh\nset -e\n{script}\n")).display().to_string().replace(' ', "\\ ")
}

fn with(s: &Sandbox, editor: &str, args: &[&str]) -> Output {
    s.otto_with(args, &[("GIT_EDITOR", editor)], None)
}

/// Files with what was typed.
fn kept(s: &Sandbox) -> Vec<std::path::PathBuf> {
    let dir = std::fs::read_dir(s.repo().join(".git/otto/edit"));
    dir.into_iter().flatten().map(|e| e.unwrap().path()).collect()
}

#[test]
fn the_editor_shows_the_spec_and_asks_for_the_reason() {
    let s = approved();
    let seen = s.path("seen");
    let ed = editor(
        &s,
        &format!(
            "cp \"$1\" '{}'\nsed -i -e '1s/.*/More is needed./' -e 's/^- Keep it short.*/- Keep it long./' \"$1\"",
            seen.display()
        ),
    );
    let base = tip(&s);
    let out = with(&s, &ed, &["amend", "words"]).exits(0);
    assert!(out.stdout.starts_with("tasks of slice `one`\n  - Keep it short.\n  + Keep it long.\namended: "), "{out}");
    let record = newest(&s);
    assert_eq!((&record["reason"], &record["tier"]), (&"More is needed.".into(), &3.into()));
    assert_eq!(
        std::fs::read_to_string(seen).unwrap().lines().take(7).collect::<Vec<_>>(),
        [
            "",
            "# Why does the spec words change? Say it in the lines above; those that begin with # do not count.",
            "# Without a reason nothing is amended. Change the spec below the next line, save it, and leave the editor.",
            &format!("# base: {base}"),
            "# ------------------------ >8 ------------------------",
            "# Words",
            "",
        ]
    );
    assert!(kept(&s).is_empty(), "what is stored is not kept");
    // The reason of the command line stands there already.
    let ed = editor(&s, "grep -q '^Given.$' \"$1\"; sed -i 's/\"title\": \"Words\"/\"title\": \"More words\"/' \"$1\"");
    with(&s, &ed, &["amend", "words", "--as", "json", "-m", "Given."]).exits(0);
    assert_eq!((&newest(&s)["reason"], &spec(&s)["title"]), (&"Given.".into(), &"More words".into()));
    s.otto(&["verify", "--all"]).exits(0);
}

#[test]
fn git_chooses_the_editor() {
    let s = approved();
    let ed = editor(&s, "sed -i -e '1s/.*/x/' -e \"s/^# Words.*/# $(basename \"$0\") $GIT_MARK/\" \"$1\"");
    // `:` is git's word for an editor that changes nothing.
    let out = with(&s, ":", &["amend", "words"]).exits(0);
    assert_eq!(out.stdout, "unchanged: the editor left the spec as it is\n");
    s.git(&["config", "core.editor", &ed]);
    s.otto_with(&["amend", "words"], &[("VISUAL", "false"), ("EDITOR", "false"), ("GIT_MARK", "m")], None).exits(0);
    assert_eq!(spec(&s)["title"], "ed itor m");
    let out = with(&s, "false", &["amend", "words"]).exits(2);
    assert_eq!(refusal(&out), ["the editor \"false\" ended with 1", "hint: git var GIT_EDITOR"]);
    let out = with(&s, "no-such-editor", &["amend", "words"]).exits(2);
    assert!(out.stderr.contains("the editor \"no-such-editor\" could not be started"), "{out}");
    assert!(kept(&s).is_empty(), "nothing was typed");
}

#[test]
fn what_is_wrong_is_shown_at_its_line_and_kept() {
    let s = approved();
    let ed = editor(&s, "sed -i -e '1s/.*/Later./' -e 's/^Check: `cat two.txt`.*/Check: whatever/' \"$1\"");
    let out = with(&s, &ed, &["amend", "words"]).exits(3);
    let files = kept(&s);
    assert_eq!(files.len(), 1, "{out}");
    let file = files[0].display().to_string();
    let line = std::fs::read_to_string(&files[0]).unwrap().lines().position(|l| l == "Check: whatever").unwrap() + 1;
    assert!(out.stderr.contains(&format!("{file}:{line}:8")), "{out}");
    assert!(
        out.stderr.contains(&format!("hint: nothing is lost; to go on: git otto amend words --file {file}\n")),
        "{out}"
    );
    // Another record in between: the kept file knows which version it was made from.
    amend(&s, "/title=Else");
    std::fs::write(
        &file,
        std::fs::read_to_string(&file).unwrap().replace("Check: whatever", "Check: `cat two.txt` prints `2`."),
    )
    .unwrap();
    let out = s.otto(&["amend", "words", "--file", &file]).exits(0);
    assert!(out.stderr.contains("both changes go together\n"), "{out}");
    assert_eq!(spec(&s)["title"], "Else");
    assert_eq!(newest(&s)["reason"], "Later.");
    // The same in JSON, and without a reason.
    let ed = editor(&s, "sed -i 's/\"title\": \"Else\"/\"title\": 7/' \"$1\"");
    let out = with(&s, &ed, &["amend", "words", "--as", "json"]).exits(3);
    assert!(out.stderr.contains("because: /title: ") && out.stderr.contains("nothing is lost"), "{out}");
    let ed = editor(&s, "sed -i 's/^# Else/# More/' \"$1\"");
    let out = with(&s, &ed, &["amend", "words"]).exits(3);
    assert_eq!(refusal(&out)[0], "invalid_field: reason: an amendment says why, and this gives no reason");
    // An editor that fails after it has saved has not lost anything either.
    let ed = editor(&s, "echo more >> \"$1\"; exit 1");
    let out = with(&s, &ed, &["amend", "words"]).exits(2);
    assert!(out.stderr.contains("ended with 1") && out.stderr.contains("nothing is lost"), "{out}");
}

#[test]
fn on_a_terminal_the_editor_opens_again_until_it_is_right() {
    let s = approved();
    let n = s.path("n");
    // Wrong, wrong without the flag that it needs, then right.
    let ed = editor(
        &s,
        &format!(
            "echo x >> '{n}'\nsed -i '1s/.*/Why not./' \"$1\"\ncase $(grep -c x '{n}') in\n\
             1) sed -i 's/^# Words/# /' \"$1\" ;;\n2) sed -i -e 's/^# $/# Else/' -e 's/^Two words.*/Three./' \"$1\" ;;\n\
             3) sed -i 's/^Three.*/Two words./' \"$1\" ;;\nesac",
            n = n.display()
        ),
    );
    let out = s.typed(&["amend", "words"], &[("GIT_EDITOR", &ed)], "what?\ne\ne\n").exits(0);
    assert!(out.stderr.contains("\"what?\" is neither e nor q") && out.stderr.contains("tier_1_violation"), "{out}");
    assert!(out.stdout.starts_with("title\n  - Words\n  + Else\namended: "), "{out}");
    assert!(kept(&s).is_empty());
    let ed = editor(&s, "sed -i 's/^# Else/# /' \"$1\"");
    let out = s.typed(&["amend", "words"], &[("GIT_EDITOR", &ed)], "q\n").exits(3);
    assert_eq!(kept(&s).len(), 1);
    assert!(
        out.stderr
            .contains(&format!("nothing is lost; to go on: git otto amend words --file {}", kept(&s)[0].display())),
        "{out}"
    );
}

#[test]
fn a_draft_needs_no_reason_and_keeps_its_code() {
    let s = Sandbox::new();
    s.write("intent.md", crate::support::EXAMPLE);
    s.otto(&["compile", "../intent.md"]).exits(0);
    let ed = editor(&s, "sed -i 's/^# jot$/# Jot/' \"$1\"");
    let out = with(&s, &ed, &["edit", "jot"]).exits(0);
    assert!(out.stdout.starts_with("title\n  - jot\n  + Jot\nedited: spec jot at "), "{out}");
    let tree = s.git(&["ls-tree", "-r", "--name-only", "refs/otto/specs/jot"]);
    assert!(tree.lines().filter(|l| l.starts_with("files/")).count() >= 4, "{tree}");
}

#[test]
fn an_interrupt_is_the_editors_while_it_is_open() {
    let s = approved();
    let (at, go) = (s.path("at"), s.path("go"));
    let script = format!(
        "#!/bin/sh\ntrap 'echo heard >> \"{at}\"' INT\n: > '{at}'\nuntil [ -e '{go}' ]; do sleep 0.02; done\n\
         sed -i -e '1s/.*/x/' -e 's/^# Words/# Else/' \"$1\"\n",
        at = at.display(),
        go = go.display()
    );
    let ed = s.script("home/patient", &script).display().to_string();
    let mut running = s.start(&["amend", "words"], &[("GIT_EDITOR", &ed)]);
    assert!(running.wait_for(&at));
    running.signal(rustix::process::Signal::INT);
    assert!(running.wait_until(|| std::fs::read_to_string(&at).unwrap() == "heard\n"));
    s.write("go", "");
    running.wait().exits(0);
    assert_eq!(spec(&s)["title"], "Else");
}
