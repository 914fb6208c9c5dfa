//! What a project's own commands say of the base: kept where it is green, told where it is red.

use rustix::process::Signal;

use super::*;

/// A project whose tests are green as long as `base.txt` says so and the manager of its language is found, and whose lint
/// is red. Each run of the tests adds a line to `ran`.
fn project(s: &Sandbox) {
    let ran = s.path("ran");
    let makefile = format!(
        "test:\n\t@echo test >>{}\n\t@test -e \"$$RUSTUP_HOME\"/toolchain\n\t@grep -q ok base.txt\nlint:\n\t@echo untidy >&2; exit 1\n",
        ran.display()
    );
    s.write("home/.rustup/toolchain", "");
    s.commit("Have tests", &[("Makefile", &makefile), ("base.txt", "ok\n")]);
}

fn ran(s: &Sandbox) -> usize {
    std::fs::read_to_string(s.path("ran")).unwrap_or_default().lines().count()
}

/// The checks of a receipt.
fn checked(receipt: &Value) -> Vec<&str> {
    receipt["checks"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect()
}

#[test]
fn what_was_green_stays_green_and_what_was_red_blocks_nothing() {
    let s = sandbox();
    project(&s);
    let kept = s.path("task");
    let base = |word: &str| write("base.txt", &format!("{word}\n"));
    let agent = agent(
        &s,
        json!({
            "a": {"1": [right("a"), base("bad")], "2": [{"keep_task": kept}, right("a"), base("ok, still")]},
            "b": {"1": [right("b")]},
            "c": {"1": [right("c")]},
        }),
    );
    let a = "Owns: `a.txt`, `base.txt`.\n\nCheck: `cat a.txt` prints `a`.";
    let parts = [("a", &[][..], a.to_owned()), ("b", &["a"], plain("b")), ("c", &["b"], plain("c"))];
    let first = run(&s, &intent("Two", "", &parts[..2], ""), &agent, &[]).ends(0);
    let told = first.events.iter().find(|e| e["kind"] == "baseline.finished").unwrap();
    let said = |n: usize| (&told["data"]["commands"][n]["command"], &told["data"]["commands"][n]["passed"]);
    assert_eq!(said(0), (&json!(["make", "test"]), &json!(true)));
    assert_eq!(said(1), (&json!(["make", "lint"]), &json!(false)));
    // Who broke it is told what it was, and mends it.
    assert_eq!(first.failures("a"), [Some("integration".into()), None]);
    let task: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!(task["failures"][0]["what"], "baseline-test");
    let back = &first.told("slice.merge.repair", "a")[0]["data"]["detail"];
    assert!(back.as_str().unwrap().contains("`baseline-test` was green before this slice"), "{back}");
    let landed = landings(&s, "main", "otto/two");
    assert_eq!(order(&landed), ["a", "b"]);
    assert_eq!(
        (checked(&landed[0].1), checked(&landed[1].1)),
        (vec!["a-1", "baseline-test"], vec!["b-1", "baseline-test"])
    );
    assert_eq!(landed[0].1["checks"][1]["base"], "holds");
    // Once on the base for the baseline and for the run, at three merges, in the audit.
    assert_eq!(ran(&s), 5);
    assert_sound(&s);
    // The same intent again changes nothing and asks nobody; so does its view, compiled.
    let out = s.otto(&["run", "--yes", "../intent.md", "--agent", &agent]).exits(0);
    assert!(out.stderr.contains("nothing changed since it passed"), "{out}");
    s.write("view.md", s.otto(&["show", "two"]).exits(0).stdout);
    let again = s.otto(&["--json", "compile", "../view.md", "--id", "two"]).exits(0).json();
    assert_eq!((&again["new"], &again["baseline"]), (&json!(false), &json!([])));
    let again = s.otto(&["--json", "amend", "two", "--file", "../intent.md", "-m", "Nothing"]).exits(0).json();
    assert_eq!(again["new"], false, "{again}");
    assert_eq!(ran(&s), 5);
    // A slice more, and what is kept is kept over that as well.
    let more = run(&s, &intent("Two", "", &parts, ""), &agent, &["-m", "C as well"]).ends(0);
    more.stands("c", "landed", 1);
    assert!(more.events.iter().all(|e| e["kind"] != "baseline.finished"));
    assert_eq!(checked(&landings(&s, "main", "otto/two")[2].1), ["c-1", "baseline-test"]);
    assert!(s.otto(&["show", "two"]).exits(0).stdout.contains("## Across `a`, `b` and `c`"));
}

#[test]
fn a_slow_suite_may_wait_for_the_last_landing() {
    let s = sandbox();
    project(&s);
    let agent = agent(&s, json!({"a": {"1": [right("a")]}, "b": {"1": [right("b")]}}));
    let parts = [("a", &[][..], plain("a")), ("b", &["a"], plain("b"))];
    s.write("intent.md", intent("Two", "", &parts, ""));
    s.git(&["config", "otto.checks.full", "never"]);
    let args = ["run", "--yes", "../intent.md", "--agent", &agent];
    refuses(&s, "repo", &args, 2, "otto.checks.full is \"never\"", "git config otto.checks.full landing");
    s.git(&["config", "otto.checks.full", "final"]);
    let out = s.otto(&args).exits(0);
    for told in [
        "baseline: `make test` green in 1 s, kept\n",
        "baseline: `make lint` red on the base after 1 s, not a gate: ",
        "\nBaseline\n  `make test` green in ",
        "\n  keeps  all: `make test` exits 0.\n",
        ", baseline 1 s.\n",
    ] {
        assert!(out.stderr.contains(told), "{told:?} is not in {out}");
    }
    let landed = landings(&s, "main", "otto/two");
    assert_eq!((checked(&landed[0].1), checked(&landed[1].1)), (vec!["a-1"], vec!["b-1", "baseline-test"]));
}

#[test]
fn a_baseline_can_be_left_out_and_broken_off() {
    let s = sandbox();
    let pid = s.path("pid");
    let slow = format!("test:\n\t@echo $$$$ >{0}.part; mv {0}.part {0}; exec sleep 1000\n", pid.display());
    s.commit("Have slow tests", &[("Makefile", &slow)]);
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    let before = refs(&s);
    let mut running = s.start(&["compile", "../intent.md"], &[]);
    assert!(running.wait_for(&pid), "the tests were never run");
    running.signal(Signal::INT);
    let out = running.wait().exits(130);
    assert!(out.stderr.contains("no spec was written"), "{out}");
    assert_dead(&s, &pid);
    assert_eq!(refs(&s), before);
    assert_eq!(s.otto(&["--json", "compile", "../intent.md", "--no-baseline"]).exits(0).json()["baseline"], json!([]));
    s.git(&["config", "otto.baseline", "false"]);
    let out = s.otto(&["--json", "compile", "../intent.md", "--id", "other"]).exits(0).json();
    assert_eq!(out["baseline"], json!([]));
}
