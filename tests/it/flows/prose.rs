//! Prose from end to end: an agent compiles it, agents build it, and, where one is set up, an agent judges it.

use super::*;

const PROSE: &str = "Keep the word `a` in a file. Nothing more.";

/// A spec as an agent answers it: one slice for each id, which writes its id into a file of that name.
pub(super) fn spec(ids: &[&str]) -> Value {
    let slices: Vec<Value> = ids
        .iter()
        .enumerate()
        .map(|(i, id)| {
            json!({
                "id": id, "title": format!("Part {id}"), "requirements": [format!("R{}", i + 1)],
                "owned_paths": [format!("{id}.txt")],
                "checks": [{"id": format!("{id}-1"), "kind": "cli_probe", "shell": format!("cat {id}.txt"), "stdout": format!("{id}\n")}],
            })
        })
        .collect();
    let requirements: Vec<Value> = ids
        .iter()
        .enumerate()
        .map(|(i, id)| json!({"id": format!("R{}", i + 1), "text": format!("{id} is there")}))
        .collect();
    json!({
        "title": "Words", "project_kind": "cli",
        "structure": {"entrypoint": "./x", "commands": [{"name": "x", "summary": "prints"}]},
        "requirements": requirements, "slices": slices,
    })
}

fn answer(value: Value) -> Value {
    json!([{ "answer": value }])
}

/// An agent that answers questions so, one list of steps a question, and builds the slice `a` rightly.
fn answering(s: &Sandbox, compile: &[Value], audit: &[Value]) -> String {
    let script = json!({
        "log": s.path("agent.log"),
        "slices": {"a": {"*": [right("a")]}, "b": {"*": [right("b")]}},
        "answers": {"compile": compile, "audit": audit},
    });
    let script = s.write("script.json", script.to_string());
    format!("command:{} {}", env!("CARGO_BIN_EXE_git-otto-fake-agent"), script.display())
}

fn asked(s: &Sandbox, role: &str) -> usize {
    std::fs::read_to_string(s.path("agent.log")).unwrap_or_default().lines().filter(|l| *l == role).count()
}

fn compile(s: &Sandbox, agent: &str, more: &[&str]) -> super::super::support::Output {
    s.otto(&[&["compile", "--json", "--text", PROSE, "--agent", agent], more].concat())
}

fn stored(s: &Sandbox, spec: &str) -> (Value, Value) {
    let read = |name: &str| {
        serde_json::from_str(&s.git(&["cat-file", "blob", &format!("refs/otto/specs/{spec}:{name}")])).unwrap()
    };
    (read("spec.json"), read("record.json"))
}

#[test]
fn right_at_once() {
    let s = sandbox();
    let agent = answering(&s, &[json!([{"keep_task": s.path("question")}, {"answer": spec(&["a"])}])], &[]);
    let out = compile(&s, &agent, &[]).exits(0);
    let said: Value = out.json();
    assert_eq!((&said["spec"], &said["new"]), (&json!("words"), &json!(true)));
    let guessed = said["guessed"].to_string();
    assert!(guessed.contains("the kind `cli`, chosen by command") && guessed.contains("the id `words`"), "{guessed}");
    let (spec, record) = stored(&s, "words");
    assert_eq!((&spec["intent"], &spec["schema"]), (&json!(PROSE), &json!("otto.spec/1")));
    assert!(spec.get("files").is_none());
    assert_eq!((&record["actor"], &record["kind"]), (&json!("agent:command/default"), &json!("compile")));
    assert_eq!(record["cost"], json!({"usd_micros": 10_000, "input_tokens": 100, "output_tokens": 10}));
    let question: Value = serde_json::from_str(&std::fs::read_to_string(s.path("question")).unwrap()).unwrap();
    assert_valid(include_str!("../../../schemas/question.json"), &question);
    let prompt = question["prompt"].as_str().unwrap();
    assert!(
        prompt.contains(PROSE) && prompt.contains("README.md") && !prompt.contains("`browser_journey`"),
        "{prompt}"
    );
    // Nothing is left behind, and the checkout of the user is as it was.
    assert_eq!(s.git(&["status", "--porcelain"]), "");
    assert_sound(&s);
}

#[test]
fn in_a_repository_without_commits_and_by_the_ids_and_kinds_that_the_user_says() {
    let s = Sandbox::without_identity();
    s.write(
        "home/.gitconfig",
        "[user]\n\tname = Ann Author\n\temail = ann@example.org\n[otto]\n\tfsync = false\n\tsandbox = off\n",
    );
    s.git(&["init", "-q", "."]);
    let agent = answering(&s, &[json!([{"keep_task": s.path("question")}, {"answer": spec(&["a"])}])], &[]);
    compile(&s, &agent, &["--id", "mine", "--kind", "cli"]).exits(0);
    let (_, record) = stored(&s, "mine");
    assert_eq!(record["kind"], "compile");
    let question = std::fs::read_to_string(s.path("question")).unwrap();
    assert!(question.contains("for is empty.") && question.contains("The kind of product is fixed"), "{question}");
}

#[test]
fn wrong_twice_then_right() {
    let s = sandbox();
    let mut unproven = spec(&["a"]);
    unproven["requirements"].as_array_mut().unwrap().push(json!({"id": "R2", "text": "nobody proves this"}));
    let mut other = spec(&["a"]);
    other["slices"][0]["checks"][0]["kind"] = json!("api_probe");
    let again = json!([{"keep_task": s.path("question")}, {"answer": spec(&["a"])}]);
    let agent = answering(&s, &[answer(other), answer(unproven), again], &[]);
    compile(&s, &agent, &[]).exits(0);
    assert_eq!(asked(&s, "compile"), 3);
    // The costs of all calls are one sum, and what was wrong was told with its place.
    assert_eq!(stored(&s, "words").1["cost"]["usd_micros"], 30_000);
    let question = std::fs::read_to_string(s.path("question")).unwrap();
    assert!(question.contains("was not accepted") && question.contains("/requirements/1"), "{question}");
    assert!(question.contains("nobody proves this"), "who does not remember is told its own answer: {question}");
}

#[test]
fn wrong_three_times() {
    let s = sandbox();
    let mut wrong = spec(&["a"]);
    wrong["slices"][0]["owned_paths"] = json!(["../outside"]);
    wrong["slices"][0]["requirements"] = json!(["R7"]);
    let agent = answering(&s, &[answer(wrong.clone()), answer(json!("I cannot")), answer(wrong)], &[]);
    let out = compile(&s, &agent, &[]).exits(3);
    // What is told while it works stands before the error.
    let error: Value = serde_json::from_str(&out.stderr[out.stderr.find('{').unwrap()..]).unwrap();
    let error = &error["error"];
    let causes = error["causes"].to_string();
    for place in ["/slices/0/owned_paths/0", "/slices/0/requirements/0", "/requirements/0"] {
        assert!(causes.contains(place), "{place}: {causes}");
    }
    // What the agent printed is kept for people.
    let hint = error["hint"].as_str().unwrap();
    let path = hint.split_whitespace().nth(1).unwrap();
    assert!(std::fs::read_to_string(path).unwrap().contains("outside"), "{hint}");
    assert_eq!(s.git(&["for-each-ref", "refs/otto"]), "");
}

#[test]
fn an_answer_in_words() {
    let s = sandbox();
    let words = format!("I looked around.\n\n<spec_json>\n```json\n{}\n```\n</spec_json>\nDone.", spec(&["a"]));
    let agent = answering(&s, &[answer(json!(words))], &[]);
    compile(&s, &agent, &[]).exits(0);
}

#[test]
fn an_agent_that_fails() {
    let s = sandbox();
    let agent = answering(&s, &[json!([{"eprint": "no login"}, {"exit": 3}])], &[]);
    let out = compile(&s, &agent, &[]).exits(7);
    assert!(out.stderr.contains("no login") && out.stderr.contains("transcripts"), "{out}");
    let out = compile(&s, "command:no-such-program-anywhere", &[]).exits(7);
    assert!(out.stderr.contains("install no-such-program-anywhere"), "{out}");
}

#[test]
fn an_agent_compiles_what_another_tool_specified() {
    let s = sandbox();
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/openspec/openspec");
    let from = from.join("specs/settings");
    let agent = answering(&s, &[json!([{"keep_task": s.path("question")}, {"answer": spec(&["a"])}])], &[]);
    let import = ["import", "--compile", "--from", "openspec", from.to_str().unwrap(), "--agent", &agent, "--json"];
    let said: Value = s.otto(&import).exits(0).json();
    assert_eq!((&said["spec"], &said["unproven"]), (&json!("words"), &json!([])));
    let (spec, record) = stored(&s, "words");
    let intent = spec["intent"].as_str().unwrap();
    assert!(intent.starts_with("File theme/spec.md\n\n# theme Specification\n"), "{intent}");
    assert_eq!(record["actor"], json!("agent:command/default"));
}

#[test]
fn trials_must_agree() {
    let s = sandbox();
    let mut renamed = spec(&["a"]);
    renamed["title"] = json!("Other words");
    let agent = answering(&s, &[answer(spec(&["a"])), answer(renamed.clone())], &[]);
    compile(&s, &agent, &["--trials", "2"]).exits(0);
    assert_eq!(stored(&s, "words").1["cost"]["usd_micros"], 20_000);

    let s = sandbox();
    let mut elsewhere = spec(&["a"]);
    elsewhere["slices"][0]["owned_paths"] = json!(["z.txt"]);
    let agent = answering(&s, &[answer(spec(&["a"])), answer(elsewhere), answer(spec(&["a", "b"]))], &[]);
    let out = compile(&s, &agent, &["--trials", "3"]).exits(3);
    for words in [
        "slice `a`: the file `a.txt` is in trial 1 only",
        "slice `a`: the file `z.txt` is in trial 2 only",
        "the slice `b` is in trial 3 only, with `b.txt`",
    ] {
        assert!(out.stderr.contains(words), "{words}: {out}");
    }
    assert_eq!(s.git(&["for-each-ref", "refs/otto"]), "");
}

#[test]
fn a_whole_run_with_a_judge() {
    let s = sandbox();
    let note = json!({"about": "R1", "text": "no manual", "severity": "note"});
    let audit = json!([{"keep_task": s.path("audit-question")}, {"answer": {"verdict": "passed", "findings": [note]}}]);
    let agent = answering(&s, &[answer(spec(&["a"]))], &[audit]);
    s.git(&["config", "otto.audit.agent", &agent]);
    let args = ["run", "--yes", "--json", "--text", PROSE, "--agent", &agent];
    let run = Run::read(s.otto(&args)).ends(0);
    run.stands("a", "landed", 1);
    let anchor: Value =
        serde_json::from_str(&s.git(&["cat-file", "blob", &format!("refs/otto/runs/{}:run.json", run.run())])).unwrap();
    let prompts = anchor["prompts"].as_object().unwrap();
    assert_eq!((prompts.len(), &anchor["agents"]["audit"]), (8, &json!(agent)));
    // The audit is in the journal, belongs to no slice, and its cost is in the one ledger.
    let audits: Vec<&Value> = run.events.iter().filter(|e| e["data"]["role"] == "audit").collect();
    assert!(audits.len() == 1 && audits[0].get("slice").is_none(), "{audits:?}");
    assert_eq!(run.packet["built_by"]["cost"]["usd_micros"], 10_000);
    assert!(run.packet["built_by"]["sentence"].as_str().unwrap().contains("Audited by command:"));
    let why = run.packet["why"].to_string();
    assert!(
        why.contains("Every requirement is proven") && why.contains("the auditor notes, about `R1`: no manual"),
        "{why}"
    );
    let question: Value = serde_json::from_str(&std::fs::read_to_string(s.path("audit-question")).unwrap()).unwrap();
    let prompt = question["prompt"].as_str().unwrap();
    assert!(prompt.contains("- added `a.txt`") && prompt.contains("`cat a.txt`"), "{prompt}");
    assert_eq!((asked(&s, "compile"), asked(&s, "audit")), (1, 1));

    // The same again: nothing is compiled, nothing is paid for.
    Run::read(s.otto(&args)).ends(0);
    assert_eq!((asked(&s, "compile"), asked(&s, "audit")), (1, 1));
    assert_sound(&s);
}

#[test]
fn what_a_judge_says_caps_and_is_told() {
    let silent = || json!([{"result": {"ok": true, "summary": "all is well"}}]);
    let cases: [(&[Value], i32, &[&str]); 7] = [
        (
            &[answer(json!({"verdict": "blocked", "findings": [{"about": "a", "text": "it deletes files"}]}))],
            5,
            &["the auditor finds that it should not be used", "it deletes files"],
        ),
        (&[answer(json!({"verdict": "partial", "findings": []}))], 4, &["only a part of it is there"]),
        (&[answer(json!("fine, I think")), answer(json!({"verdict": "passed", "findings": []}))], 0, &[]),
        (
            &[answer(json!({"verdict": "super"})), answer(json!({"verdict": "fine", "findings": []}))],
            5,
            &["gave no verdict: ", "fine"],
        ),
        (&[json!([])], 5, &["gave no verdict: it ended without a result"]),
        (&[silent(), silent()], 5, &["gave no verdict: there is no answer"]),
        (&[json!([{"crash": true}])], 5, &["gave no verdict: signal 9 ended it"]),
    ];
    for (audit, code, told) in cases {
        let s = sandbox();
        let agent = answering(&s, &[], audit);
        s.git(&["config", "otto.audit.agent", &agent]);
        let run = run(&s, &intent("One", "", &[("a", &[], plain("a"))], ""), &agent, &[]).ends(code);
        run.stands("a", "landed", 1);
        let why = run.packet["why"].to_string();
        for words in told {
            assert!(why.contains(words) && run.markdown.contains(words), "{words}: {why}\n{}", run.markdown);
        }
        assert_eq!(asked(&s, "audit"), audit.len(), "{why}");
        assert!(run.packet["problems"].as_array().unwrap().is_empty(), "{}", run.packet["problems"]);
    }
}

#[test]
fn one_slice_needs_no_heading() {
    let s = sandbox();
    let text = "# One\n\nA file.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n**R1** It is there.\n\n\
                Check: `cat a.txt` prints `a`.\n\nOwns: `a.txt`.\n";
    let script = json!({"slices": {"main": {"*": [right("a")]}}});
    let script = s.write("script.json", script.to_string());
    let agent = format!("command:{} {}", env!("CARGO_BIN_EXE_git-otto-fake-agent"), script.display());
    run(&s, text, &agent, &[]).ends(0).stands("main", "landed", 1);
}

#[test]
fn a_file_and_standard_input_with_prose() {
    let s = sandbox();
    let agent = answering(&s, &[answer(spec(&["a"])), answer(spec(&["a"]))], &[]);
    s.write("idea.md", "# An idea\n\nKeep a word.\n\n## Why\n\n- because\n");
    s.otto(&["compile", "../idea.md", "--id", "one", "--agent", &agent]).exits(0);
    assert_eq!(stored(&s, "one").0["intent"], "# An idea\n\nKeep a word.\n\n## Why\n\n- because");
    s.otto_with(&["compile", "-", "--id", "two", "--agent", &agent], &[], Some(b"Keep a word.\r\n")).exits(0);
    assert_eq!(stored(&s, "two").0["intent"], "Keep a word.");
}

#[test]
fn what_is_refused_before_anything_is_paid_for() {
    let s = sandbox();
    let agent = answering(&s, &[answer(spec(&["a"]))], &[]);
    compile(&s, &agent, &["--id", "words"]).exits(0);
    s.otto(&["approve", "--yes", "words"]).exits(0);
    std::fs::remove_file(s.path("agent.log")).unwrap();
    let again = ["compile", "--text", "Another thing.", "--id", "words", "--agent", &agent];
    refuses(&s, "repo", &again, 8, "is approved", "--id <another id>");
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    refuses(&s, "repo", &["compile", "../intent.md", "--kind", "cli"], 2, "are for prose", "leave them out");
    let unknown = s.otto(&["compile", "--text", "x", "--kind", "game", "--agent", &agent]).exits(2);
    assert!(unknown.stderr.contains("there are webapp, cli"), "{unknown}");
    s.git(&["config", "otto.compile.agent", &agent]);
    refuses(
        &s,
        "repo",
        &["run", "--yes", "--text", "Another thing."],
        7,
        "no agent is set up that builds",
        "otto.agent",
    );
    s.write("prompts/compile.md", "{{ intnet }}");
    s.git(&["config", "otto.prompts", s.path("prompts").to_str().unwrap()]);
    refuses(&s, "repo", &["compile", "--text", "Another thing."], 2, "compile.md:1", "git config --unset otto.prompts");
    assert_eq!(asked(&s, "compile"), 0);
}

#[test]
fn a_request_is_journalled_and_lands_nowhere() {
    let s = sandbox();
    s.commit("Ignore", &[(".gitignore", ".otto-*\n")]);
    let request = r#"{"kind":"contract","reason":"R1 says too little","change":{"path":"b.txt"}}"#;
    let agent = agent(&s, json!({"a": {"1": [right("a"), write(".otto-request.json", request)]}}));
    let run = run(&s, &intent("One", "", &[("a", &[], plain("a"))], ""), &agent, &[]).ends(0);
    let told = run.told("amendment.requested", "a");
    assert_eq!(told.len(), 1);
    assert!(told[0]["data"]["reason"].as_str().unwrap().contains("R1 says too little"), "{told:?}");
    assert!(!s.git(&["ls-tree", "-r", "--name-only", "otto/one"]).contains(".otto-request"));
    assert_sound(&s);
}

#[test]
fn who_reads_the_spec_can_ask_for_another_one_with_a_remark() {
    let s = sandbox();
    let second = json!([{"keep_task": s.path("question")}, {"answer": spec(&["a"])}]);
    let agent = answering(&s, &[answer(spec(&["a", "b"])), second], &[]);
    let args = ["run", "--agent", &agent, PROSE];
    let out = s.typed(&args, &[], "a\nOnly the word a, please.\nx\ny\n").exits(0);
    let said = &out.stderr;
    assert!(out.stdout.contains("passed: 1 slice landed"), "{out}");
    assert!(said.contains("[a]sk again") && said.contains("what should be different?"), "{said}");
    assert!(said.contains("none of y, e, a and q") && said.contains("Who writes the code: command:"), "{said}");
    assert_eq!(asked(&s, "compile"), 2);
    let question = std::fs::read_to_string(s.path("question")).unwrap();
    assert!(question.contains("Only the word a, please.") && question.contains("cat b.txt"), "{question}");
    let kinds = s.git(&["log", "--reverse", "--format=%s", "refs/otto/specs/words"]);
    assert_eq!(kinds.lines().count(), 3, "{kinds}");
    assert_sound(&s);
}

#[test]
fn who_quits_keeps_the_draft() {
    let s = sandbox();
    let agent = answering(&s, &[answer(spec(&["a"]))], &[]);
    let out = s.typed(&["run", "--agent", &agent, PROSE], &[], "q\n").exits(8);
    assert!(out.stderr.contains("Later: git otto run words"), "{out}");
    assert_eq!(stored(&s, "words").1["kind"], "compile");
}
