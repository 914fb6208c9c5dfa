//! The commands that only read: what they say of a run, that they say the same twice and elsewhere, that they change
//! nothing, and that `verify` finds what was changed behind otto's back.

use serde_json::Value;

use crate::support::{EXAMPLE, Sandbox};

/// A repository in which the example was run; answers the run's id.
fn example() -> (Sandbox, String) {
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    s.otto(&["run", "--yes", "../jot.md"]).exits(0);
    let run = s.otto(&["status", "--json"]).exits(0).json()["run"].as_str().unwrap().to_owned();
    (s, run)
}

fn valid(schema: &Value, value: &Value) {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The one ref whose name begins so.
fn only_ref(s: &Sandbox, prefix: &str) -> String {
    let refs = s.git(&["for-each-ref", "--format=%(refname)", prefix]);
    assert_eq!(refs.lines().count(), 1, "{refs}");
    refs
}

#[test]
fn a_finished_run_is_told_in_words_and_in_json() {
    let (s, run) = example();
    let before = s.snapshot();
    let status = s.otto(&["status"]).exits(0);
    assert_eq!(status.stderr, "");
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert_eq!(lines[0], format!("{run}: finished, passed"));
    assert_eq!(lines[1], "  front  landed                 1 attempt");
    assert_eq!(lines[lines.len() - 2..], ["target: otto/jot", "next: git otto deliver jot"]);

    let json = s.otto(&["status", "jot", "--json"]).exits(0).json();
    assert_eq!(json["schema"], "otto.status/1");
    assert_eq!((&json["standing"], &json["verdict"]), (&"finished".into(), &"passed".into()));
    let phases: Vec<&Value> = json["slices"].as_array().unwrap().iter().map(|l| &l["phase"]).collect();
    assert_eq!(phases, ["landed"; 4]);
    assert_eq!(json["owner"], Value::Null);

    let log = s.otto(&["log", "jot"]).exits(0).stdout;
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].contains(" @{0} approve by user:ann@example.org, 20"), "{log}");
    assert!(lines[1].contains(" @{1} compile by otto, 20"), "{log}");
    let json = s.otto(&["log", "--json"]).exits(0).json();
    assert_eq!((&json["schema"], &json["phase"]), (&"otto.log/1".into(), &"approved".into()));
    assert_eq!(json["records"][0]["commit"], s.git(&["rev-parse", "refs/otto/specs/jot"]));
    assert_eq!(json["records"][1]["back"], 1);
    assert_eq!(json["records"].as_array().unwrap().len(), 2);

    let schema = s.otto(&["schema", "packet"]).exits(0).json();
    let packet = s.otto(&["show", &run, "--json"]).exits(0).json();
    assert_eq!(packet["schema"], "otto.show/1");
    valid(&schema, &packet["packet"]);
    assert_eq!(packet["packet"]["verdict"], "passed");
    assert!(s.otto(&["verify"]).exits(0).stdout.contains("4 landings, 4 receipts"));
    s.otto(&["doctor"]).exits(0);
    assert_eq!(before, s.snapshot(), "a reading command changed something");
}

#[test]
fn what_the_packet_says_is_what_git_has() {
    let (s, run) = example();
    let packet = s.otto(&["show", &run, "--json"]).exits(0).json()["packet"].clone();
    for landing in packet["landings"].as_array().unwrap() {
        let commit = landing["commit"].as_str().unwrap();
        assert_eq!(s.git(&["rev-parse", &format!("{commit}^{{tree}}")]), landing["tree"]);
        let first = format!("{commit}^1");
        let numbers = s.git(&["diff", "--numstat", "--no-renames", &first, commit, "--", ".", ":!.otto/specs"]);
        let added: u64 = numbers.lines().map(|l| l.split('\t').next().unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(landing["diffstat"]["added"], added);
        assert_eq!(landing["diffstat"]["files"], numbers.lines().count());
    }
    assert_eq!(packet["target"]["commit"], s.git(&["rev-parse", "otto/jot"]));
    let evidence_schema = s.otto(&["schema", "evidence"]).exits(0).json();
    for check in packet["checks"].as_array().unwrap() {
        assert_eq!(check["holds"], true);
        for result in check["results"].as_array().unwrap() {
            let blob = s.git(&["cat-file", "blob", result["blob"].as_str().unwrap()]);
            let evidence: Value = serde_json::from_str(&blob).unwrap();
            valid(&evidence_schema, &evidence);
            assert_eq!((&evidence["check"], &evidence["tree"]), (&check["id"], &result["tree"]));
        }
    }
    // The commands of the last section can be copied into a shell.
    for how in
        packet["verify"].as_array().unwrap().iter().filter(|h| h["command"].as_str().unwrap().starts_with("git "))
    {
        let command = how["command"].as_str().unwrap();
        if !command.starts_with("git otto") {
            let out = s.spawn(s.command("sh", "repo").args(["-c", command]), None).wait().exits(0);
            let digest = packet["spec"]["digest"].as_str().unwrap();
            assert!(!command.contains("sha256sum") || out.stdout.starts_with(digest), "{out}");
        }
    }
}

#[test]
fn the_packet_is_a_function_of_refs_alone() {
    let (s, run) = example();
    let first = s.otto(&["show", &run]).exits(0).stdout;
    assert_eq!(first, s.otto(&["show", &run]).exits(0).stdout);
    let written = std::fs::read_to_string(s.path(format!("repo/.git/otto/packets/{run}/packet.md"))).unwrap();
    assert_eq!(first, written);
    // Nor do the configuration, the attributes of the checkout or the packing of objects have a say.
    s.git(&["config", "diff.algorithm", "minimal"]);
    s.git(&["config", "diff.renames", "copies"]);
    s.write("repo/.gitattributes", "* -diff\n");
    s.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(first, s.otto(&["show", &run]).exits(0).stdout);
    s.git_in(".", &["clone", "-q", "--mirror", "repo", "mirror"]);
    assert_eq!(first, s.otto_in("mirror", &["show", &run]).exits(0).stdout);
    s.otto_in("mirror", &["verify", "--all"]).exits(0);
}

#[test]
fn a_spec_is_shown_as_an_intent_that_gives_it_again() {
    let (s, _) = example();
    let json = s.otto(&["show", "jot", "--json"]).exits(0).json();
    assert_eq!(json["spec_json"], s.git(&["cat-file", "blob", "refs/otto/specs/jot:spec.json"]) + "\n");
    assert_eq!((&json["phase"], &json["back"]), (&"approved".into(), &0.into()));
    let draft = s.otto(&["show", "jot@{1}", "--json"]).exits(0).json();
    assert_eq!((&draft["phase"], &draft["digest"]), (&"draft".into(), &json["digest"]));
    let markdown = s.otto(&["show", "jot"]).exits(0).stdout;
    assert!(markdown.contains("File `cmd/find`, executable:"), "{markdown}");
    assert!(!s.otto(&["show", "jot", "--without-code"]).exits(0).stdout.contains("File `"));
    let again = Sandbox::new();
    again.write("again.md", &markdown);
    again.otto(&["compile", "../again.md"]).exits(0);
    assert_eq!(again.otto(&["show", "--json"]).exits(0).json()["digest"], json["digest"]);
}

#[test]
fn a_run_that_did_not_pass_is_told_with_all_that_is_missing() {
    let s = Sandbox::new();
    let agent = s.script("agent", "#!/bin/sh\ncat >/dev/null\necho astray > README.md\necho '{\"ok\":true}'\n");
    let more = "\n## Slice `count`, after `list`\n\n**R5** `count` prints how many notes there are.\n\nOwns: `cmd/count`.\n\n\
                Check: `./jot add tea >&2; ./jot count` prints `1`.\n\n\
                ## Slice `sum`, after `count`\n\n**R6** `sum` prints the sum.\n\nOwns: `cmd/sum`.\n\nCheck: `./jot sum` prints `0`.\n";
    s.write("jot.md", format!("{EXAMPLE}{more}"));
    let agent = format!("command:{}", agent.display());
    s.otto(&["run", "--yes", "--agent", &agent, "../jot.md"]).exits(4);
    let status = s.otto(&["status"]).exits(0).stdout;
    assert!(status.contains(": finished, partial\n"), "{status}");
    assert!(status.lines().any(|l| l.starts_with("  count  blocked") && l.contains("attempts")), "{status}");
    assert!(status.lines().any(|l| l.starts_with("  sum    blocked") && !l.contains("attempt")), "{status}");
    let run = s.otto(&["status", "--json"]).exits(0).json()["run"].as_str().unwrap().to_owned();
    let packet = s.otto(&["show", &run, "--json"]).exits(0).json()["packet"].clone();
    valid(&s.otto(&["schema", "packet"]).exits(0).json(), &packet);
    assert_eq!(packet["missing"]["requirements"], serde_json::json!(["R5", "R6"]));
    assert_eq!(packet["missing"]["slices"][0]["dependents"], serde_json::json!(["sum"]));
    assert_eq!(packet["slices"][4]["attempts"][0]["violations"], serde_json::json!(["README.md"]));
    assert_eq!(packet["slices"][5]["attempts"], serde_json::json!([]));
    let text = s.otto(&["show", &run]).exits(0).stdout;
    assert!(text.contains("it changed `README.md`, which it does not own"), "{text}");
    assert!(text.contains("- R5, not proven: "), "{text}");
    s.otto(&["verify"]).exits(0);
}

#[test]
fn verify_names_what_was_changed_behind_its_back() {
    let (s, run) = example();
    let tip = s.git(&["rev-parse", "otto/jot"]);
    let target = format!("refs/otto/targets/{run}");
    let notes = only_ref(&s, "refs/notes/otto/");
    let evidence = only_ref(&s, "refs/otto/evidence/");
    let saved = |name: &str| s.git(&["rev-parse", name]);
    let bad = |place: &str, what: &str| {
        let out = s.otto(&["verify"]).exits(8);
        assert!(out.stderr.starts_with(&format!("error: {place}")) && out.stderr.contains(what), "{out}");
        assert!(out.stderr.contains("\nhint: "), "{out}");
        let out = s.otto(&["verify", "--all", "--json"]).exits(8);
        assert_eq!((&out.json()["ok"], &out.json()["schema"]), (&false.into(), &"otto.verify/1".into()));
        assert!(out.json()["violations"].to_string().contains(what), "{out}");
        let error: Value = serde_json::from_str(&out.stderr).unwrap();
        assert_eq!(error["error"]["code"], "refused");
    };
    let good = || s.otto(&["verify"]).exits(0);

    s.git(&["update-ref", &target, &format!("{tip}~1")]);
    bad(&format!("run {run}"), "not in the target's history");
    s.git(&["update-ref", "-d", &target]);
    bad(&format!("run {run}"), "is gone");
    s.git(&["update-ref", &target, &tip]);
    good();

    let journal = saved(&notes);
    let edit = |args: &[&str]| {
        let all: Vec<&str> = ["notes", "--ref", &notes].iter().chain(args).copied().collect();
        s.git(&all)
    };
    edit(&["remove", &tip]);
    bad(&format!("run {run}"), "has no receipt");
    s.git(&["update-ref", &notes, &journal]);
    let receipt = edit(&["show", &tip]);
    let tree = s.git(&["rev-parse", &format!("{tip}^{{tree}}")]);
    let other = s.git(&["rev-parse", &format!("{tip}~1^{{tree}}")]);
    edit(&["add", "-f", "-m", &receipt.replace(&tree, &other), &tip]);
    bad(&format!("run {run}"), &format!("but {other} was tested"));
    s.git(&["update-ref", &notes, &journal]);
    let anchor = saved(&format!("refs/otto/runs/{run}"));
    let lines = edit(&["show", &anchor]);
    edit(&["add", "-f", "-m", &lines.replacen("literate", "claude", 1), &anchor]);
    bad(&format!("run {run}"), "its journal: ");
    s.git(&["update-ref", &notes, &journal]);
    good();

    let approved = saved("refs/otto/specs/jot");
    s.git(&["update-ref", "refs/otto/specs/jot", &format!("{approved}~1")]);
    bad("spec jot", "is no longer in the history");
    bad("spec jot", "is not in the history of jot");
    s.git(&["update-ref", "refs/otto/specs/jot", &tip]);
    bad("spec jot", "its tree holds");
    s.git(&["update-ref", "refs/otto/specs/jot", &approved]);
    good();

    s.git(&["update-ref", "-d", &evidence]);
    s.git(&["reflog", "expire", "--expire=now", "--all"]);
    s.git(&["gc", "-q", "--prune=now"]);
    bad(&format!("run {run}"), "is not there");
}

#[test]
fn a_repository_without_specs_is_no_error() {
    let s = Sandbox::new();
    let status = s.otto(&["status"]).exits(0);
    assert!(status.stdout.starts_with("no spec here yet\n") && status.stdout.contains("git otto demo"), "{status}");
    assert_eq!(s.otto(&["status", "--json"]).exits(0).json()["standing"], "no_spec");
    assert!(s.otto(&["verify"]).exits(0).stdout.starts_with("nothing to verify"));
    for args in
        [&["show"][..], &["show", "no"], &["log", "no"], &["status", "-x"], &["show", "a@{b}"], &["schema", "no"]]
    {
        assert!(s.otto(args).exits(2).stderr.contains("error: "), "{args:?}");
    }
    let missing = s.otto(&["show", "jot-20231114t221320z-0a1b2c", "--json"]);
    assert_ne!(missing.code, 0);
    let error: Value = serde_json::from_str(&missing.stderr).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("jot-20231114t221320z-0a1b2c"), "{missing}");
    assert_eq!(s.otto_in("home", &["status"]).exits(2).stdout, "");
}

#[test]
fn a_draft_is_told_with_the_command_that_approves_it() {
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    s.otto(&["compile", "../jot.md"]).exits(0);
    let status = s.otto(&["status"]).exits(0).stdout;
    assert_eq!(status, "jot: draft, not approved\nnext: git otto approve jot\n");
    assert_eq!(s.otto(&["status", "jot", "--json"]).exits(0).json()["specs"][0]["phase"], "draft");
}

#[test]
fn every_schema_is_listed_and_printed() {
    let s = Sandbox::new();
    let listed = s.otto(&["schema", "--json"]).exits(0).json();
    let names: Vec<&str> = listed["schemas"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect();
    for name in ["event", "evidence", "packet", "result", "spec", "structure.cli", "task"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let text = s.otto(&["schema"]).exits(0).stdout;
    assert_eq!(text.lines().count(), names.len());
    for name in names {
        let schema = s.otto(&["schema", name]).exits(0).json();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert_eq!(s.otto(&["schema", name, "--json"]).exits(0).json()["json_schema"], schema);
    }
}

#[test]
fn doctor_names_what_stands_in_the_way_and_how_to_mend_it() {
    let s = Sandbox::new();
    let findings = |code: i32| s.otto(&["doctor", "--json"]).exits(code).json();
    let find = |json: &Value, what: &str| -> Value {
        let all = json["findings"].as_array().unwrap();
        all.iter().find(|f| f["what"] == what).unwrap_or_else(|| panic!("{what}: {json}")).clone()
    };
    let json = findings(0);
    assert_eq!((&json["schema"], &json["ok"]), (&"otto.doctor/1".into(), &true.into()));
    for what in ["git", "state", "identity", "branches", "runs", "locks", "workspaces"] {
        assert_eq!(find(&json, what)["level"], "good", "{what}: {json}");
    }
    for level in ["bubblewrap", "landlock"] {
        let tried = find(&json, level);
        let works = tried["level"] == "good";
        assert_eq!(tried["text"].as_str().unwrap().contains("works"), works, "{tried}");
    }
    let levels = ["bubblewrap", "landlock"].into_iter().filter(|level| find(&json, level)["level"] == "good");
    let best = levels.chain(["nothing"]).next().unwrap().to_owned();
    // What runs use is what the configuration asks for: `off` here, at first.
    let used = |code| find(&findings(code), "confinement")["text"].as_str().unwrap().to_owned();
    let off = if best == "nothing" { "nothing confines" } else { "otto.sandbox is off" };
    assert!(used(0).starts_with(off), "{}", used(0));
    s.git(&["config", "otto.sandbox", "auto"]);
    s.git(&["config", "otto.sandbox.network", "none"]);
    let said = if best == "nothing" { "and use the network" } else { "nobody has the network" };
    assert!(used(0).contains(&best) && used(0).contains(said), "{}", used(0));
    s.git(&["config", "otto.sandbox", "some"]);
    assert!(used(2).contains("there are auto, require and off"), "{}", used(2));
    s.git(&["config", "--unset", "otto.sandbox"]);

    s.write("repo/.git/index.lock", "");
    let lock = find(&findings(0), "locks");
    assert_eq!(lock["level"], "warning");
    assert!(lock["mend"].as_str().unwrap().starts_with("rm "), "{lock}");
    std::fs::remove_file(s.path("repo/.git/index.lock")).unwrap();

    for packed in [false, true] {
        s.git(&["branch", "-f", "otto"]);
        if packed {
            s.git(&["pack-refs", "--all"]);
        }
        let blocked = find(&findings(2), "branches");
        assert_eq!((&blocked["level"], &blocked["mend"]), (&"broken".into(), &"git branch -m otto <new-name>".into()));
    }
    s.git(&["branch", "-D", "otto"]);

    std::fs::remove_file(s.path("home/.gitconfig")).unwrap();
    let unknown = find(&findings(2), "identity");
    assert!(unknown["mend"].as_str().unwrap().contains("git config --global user.name"), "{unknown}");
    let outside = s.otto_in("home", &["doctor", "--json"]).exits(0).json();
    assert_eq!(find(&outside, "repository")["level"], "note");
}
