//! `--set`, `--patch`, `--file`: what they change, and what they are refused for.

use super::*;

#[test]
fn every_way_of_input_makes_one_record() {
    let s = approved();
    let markdown = INTENT.replace("The first is there.", "The first word is there.");
    s.write("new.md", &markdown);
    s.write("patch.json", r#"[{"op": "add", "path": "/slices/0/tasks/-", "value": "Keep it plain."}]"#);
    let out = s.otto(&["amend", "words", "-m", "By a file.", "--file", "../new.md"]).exits(0);
    assert_eq!(
        out.stdout.lines().take(3).collect::<Vec<_>>(),
        ["requirement R1", "  - The first is there.", "  + The first word is there."]
    );
    assert!(out.stdout.ends_with(&format!("amended: spec words at {}, tier 2\n", &tip(&s)[..10])), "{out}");
    assert_eq!(out.stderr, "the next run takes up `one`; 1 slice stays as it is\nnext: git otto run words\n");
    s.otto(&["amend", "words", "-m", "By a patch.", "--patch", "../patch.json"]).exits(0);
    let out = s.otto(&[
        "amend",
        "words",
        "-m",
        "By values.",
        "--set",
        "/title=Some words",
        "--set",
        "/slices/1/tasks/-=Be kind.",
    ]);
    assert!(out.exits(0).stdout.contains("title\n  - Words\n  + Some words\ntasks of slice `two`\n  + Be kind.\n"));
    // JSON in any layout, from standard input.
    let mut value = spec(&s);
    value["slices"][0]["title"] = "The first".into();
    let input = serde_json::to_vec(&value).unwrap();
    s.otto_with(&["amend", "words", "-m", "By JSON.", "--file", "-"], &[], Some(&input)).exits(0);
    assert_eq!(spec(&s), value);
    let log = s.otto(&["log", "words", "--json"]).exits(0).json();
    let told: Vec<String> = log["records"]
        .as_array()
        .unwrap()
        .iter()
        .take(4)
        .map(|r| format!("{} {} {}", r["kind"].as_str().unwrap(), r["tier"], r["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(told, ["amend 3 By JSON.", "amend 2 By values.", "amend 3 By a patch.", "amend 2 By a file."]);
    s.otto(&["verify", "--all"]).exits(0);
}

#[test]
fn what_says_the_same_makes_no_record() {
    let s = approved();
    let before = tip(&s);
    s.write("same.md", INTENT);
    for args in [
        &["amend", "words", "--file", "../same.md"][..],
        &["amend", "words", "--set", "/title=Words", "-m", "x"],
        &["amend", "words", "--set", "/title=Words", "--dry-run"],
    ] {
        let out = s.otto(args).exits(0);
        assert_eq!(out.stdout, format!("unchanged: spec words says that already ({})\n", &before[..10]));
    }
    let out = s.otto(&["amend", "words", "--set", "/title=x", "-n", "--json"]).exits(0).json();
    assert_eq!((&out["schema"], &out["commit"], &out["new"]), (&"otto.amend/1".into(), &Value::Null, &false.into()));
    let out = s.otto(&["amend", "words", "--set", "/title=x", "-n"]).exits(0);
    assert_eq!(out.stdout, "title\n  - Words\n  + x\nwould be amended: spec words, tier 2; nothing was written\n");
    assert_eq!(tip(&s), before);
}

#[test]
fn every_refusal_says_why_and_what_to_type() {
    let s = approved();
    let before = tip(&s);
    s.write("no.json", "[{}]");
    s.write("nowhere.json", r#"[{"op": "remove", "path": "/nowhere"}]"#);
    let set = |value| vec!["--set", value, "-m", "x"];
    for (args, code, said) in [
        (
            set("/intent=Else."),
            3,
            vec![
                "tier_1_violation: intent: the intent is what was asked for and approved: it is changed on purpose or not at all",
                "hint: git otto amend words --override-intent …",
            ],
        ),
        (
            vec!["--set", "/title=x"],
            3,
            vec![
                "invalid_field: reason: an amendment says why, and this gives no reason",
                "hint: the same again with -m <reason>",
            ],
        ),
        (
            set("/slices/1/deps=[\"three\"]"),
            3,
            vec![
                "what comes out is no valid spec: 1 error",
                "/slices/1/deps/0: there is no slice `three`",
                "hint: git otto schema spec",
            ],
        ),
        (
            set("/id=other"),
            3,
            vec![
                "invalid_field: /id: a spec keeps its id: this one is `words`, not `other`",
                "hint: git otto schema spec",
            ],
        ),
        (
            set("title=x"),
            2,
            vec![
                "--set \"title=x\": \"title\" is no JSON pointer: one begins with / and has ~ only as ~0 and ~1",
                "hint: --set <pointer>=<json>, such as --set '/slices/0/tasks/-=Keep it short.'",
            ],
        ),
        (
            set("/slices/9/title=x"),
            2,
            vec![
                "--set \"/slices/9/title=x\": there is no /slices/9",
                "hint: --set <pointer>=<json>, such as --set '/slices/0/tasks/-=Keep it short.'",
            ],
        ),
        (
            set("/setup=[[\"true\""),
            2,
            vec![
                "--set \"/setup=[[\\\"true\\\"\": no JSON: EOF while parsing a list at line 1 column 8",
                "hint: --set <pointer>=<json>, such as --set '/slices/0/tasks/-=Keep it short.'",
            ],
        ),
        (
            vec!["--patch", "../no.json", "-m", "x"],
            3,
            vec![
                "../no.json is no JSON Patch: missing field `op`",
                "hint: RFC 6902, such as [{\"op\":\"replace\",\"path\":\"/title\",\"value\":\"Notes\"}]",
            ],
        ),
        (
            vec!["--patch", "../nowhere.json", "-m", "x"],
            3,
            vec![
                "../nowhere.json cannot be applied: operation '/0' failed at path '/nowhere': path is invalid",
                "hint: git otto show words --json",
            ],
        ),
        (
            vec!["-m", "x"],
            2,
            vec![
                "nothing says what is to change, and there is no terminal for an editor",
                "hint: give --set, --patch or --file, or set GIT_EDITOR",
            ],
        ),
        (
            vec!["--retire", "R9", "-m", "x"],
            3,
            vec![
                "R9 cannot be retired as the spec stands",
                "there is no requirement R9; there are R1, R2",
                "hint: git otto show words",
            ],
        ),
    ] {
        let out = s.otto(&[&["amend", "words"], &args[..]].concat()).exits(code);
        assert_eq!(refusal(&out), said, "{out}");
    }
    let out = s.otto(&["amend", "words", "--set", "/title=x", "--json"]).exits(3);
    assert!(out.stderr.starts_with(r#"{"error":{"code":"invalid","message":"invalid_field: reason: "#), "{out}");
    assert_eq!(tip(&s), before);
    // What was meant is done with the word for it.
    s.otto(&["amend", "words", "--set", "/intent=Else.", "-m", "x", "--override-intent"]).exits(0);
    assert_eq!(newest(&s)["tier"], 1);
}

#[test]
fn a_draft_is_edited_and_what_is_approved_is_amended() {
    let s = drafted();
    let out = s.otto(&["amend", "words", "--set", "/title=x", "-m", "x"]).exits(8);
    assert_eq!(
        refusal(&out),
        [
            "the spec words is a draft: nothing was approved that could be amended",
            "hint: git otto edit words    (or git otto approve words)"
        ]
    );
    let out = s.otto(&["edit", "words", "--set", "/intent=Some words."]).exits(0);
    assert_eq!(
        out.stdout,
        format!("intent\n  - Two words.\n  + Some words.\nedited: spec words at {}\n", &tip(&s)[..10])
    );
    assert_eq!(out.stderr, "next: git otto approve words\n");
    let record = newest(&s);
    assert_eq!((&record["kind"], &record["tier"]), (&"edit".into(), &Value::Null));
    let draft = tip(&s);
    s.otto(&["approve", "words", "--yes"]).exits(0);
    let out = s.otto(&["edit", "words", "--set", "/title=x"]).exits(8);
    assert_eq!(
        refusal(&out),
        ["the spec words is approved, and changes by amendment only", "hint: git otto amend words -m <reason> …"]
    );
    let out = s.otto(&["edit", "words", "--set", "/title=x", "--base", &draft]).exits(8);
    assert_eq!(
        refusal(&out),
        [
            "user:ann@example.org approved the spec words while you edited its draft; an approved spec changes by amendment only",
            "hint: make the edit again as an amendment: git otto amend words -m <reason> …",
        ]
    );
    // Running the edited intent is an amendment too, and what was asked for changes on purpose only.
    s.write("intent.md", INTENT.replace("The first", "The very first"));
    let out = s.otto(&["run", "--yes", "--id", "words", "../intent.md", "--agent", "command:true"]).exits(3);
    assert!(out.stderr.contains("hint: git otto run ../intent.md --override-intent -m <reason>"), "{out}");
}

#[test]
fn a_change_of_what_somebody_else_changed_is_shown_with_both_sides() {
    let s = approved();
    let base = tip(&s);
    amend(&s, "/title=Theirs");
    let theirs = tip(&s);
    let out = s.otto(&["amend", "words", "-m", "x", "--set", "/title=Yours", "--base", "words@{1}"]).exits(3);
    let said = refusal(&out);
    assert!(said[0].starts_with("stale_base: user:ann@example.org did amend at "), "{out}");
    assert!(said[0].ends_with(&format!(" ({}) after what you read ({})", &theirs[..10], &base[..10])), "{out}");
    assert_eq!(
        said[1..],
        [
            "stale_base: title: theirs: - Words; + Theirs",
            "stale_base: title: yours: - Words; + Yours",
            "hint: git otto log -p words    (then make the change again)",
        ]
    );
    assert_eq!(tip(&s), theirs);
    // What goes together is joined.
    let out = s.otto(&["amend", "words", "-m", "x", "--set", "/slices/0/title=Yours", "--base", "words@{1}"]).exits(0);
    assert!(
        out.stderr
            .starts_with(&format!("the spec has moved on to {} since: both changes go together\n", &theirs[..10]))
    );
    assert!(out.stdout.starts_with("slice `one`\n  - one\n  + Yours\namended: "), "{out}");
    assert_eq!((&spec(&s)["title"], &spec(&s)["slices"][0]["title"]), (&"Theirs".into(), &"Yours".into()));
}

#[test]
fn a_person_is_asked_why_after_they_have_seen_what() {
    let s = approved();
    let out = s.typed(&["amend", "words", "--set", "/title=Else"], &[], "It is shorter.\n").exits(0);
    let (seen, asked) = (out.stderr.find("+ Else").unwrap(), out.stderr.find("why? ").unwrap());
    assert!(seen < asked, "{out}");
    assert_eq!(newest(&s)["reason"], "It is shorter.");
}
