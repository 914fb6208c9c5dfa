//! What conflicts with the target goes back to its agent as git leaves it, and what every slice may add lines to does not.

use super::*;

/// Slice `b` changes a line that a person changes on the target meanwhile, and lands with `a`. What the agent of `b` does at
/// its further attempts is a script of the shell, by attempt.
fn crossed(s: &Sandbox, further: &str) -> Run {
    s.commit("Start", &[("b.txt", "one\ntwo\nthree\n")]);
    let (at_b, landed, tasks) = (s.path("b-at-work"), s.path("a-landed"), s.path("task"));
    let (at_b, landed, tasks) = (at_b.display(), landed.display(), tasks.display());
    let script = format!(
        r#"task=$(cat)
n=$(printf '%s' "$task" | sed 's/.*"attempt":\([0-9]*\).*/\1/')
case $task in
*'"slice":"a"'*) while ! test -e {at_b}; do :; done; echo a > a.txt;;
*) printf '%s' "$task" > {tasks}-$n
   case $n in
   1) printf 'one\nmine\nthree\n' > b.txt; : > {at_b}; while ! test -e {landed}; do :; done;;
   {further}
   esac;;
esac
echo '{{"schema":"otto.result/1","ok":true,"summary":"done"}}'
"#
    );
    let agent = format!("command:sh {}", s.script("agent.sh", &script).display());
    let body = "Owns: `b.txt`.\n\nCheck: `grep mine b.txt` prints `mine`.".to_owned();
    s.write("intent.md", intent("Two", "", &[("a", &[], plain("a")), ("b", &[], body)], ""));
    let base = s.git(&["rev-parse", "main"]);
    let mut running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "2"], &[]);
    let branch = s.path("repo/.git/refs/heads/otto/two");
    let moved = || std::fs::read_to_string(&branch).is_ok_and(|at| at.trim() != base);
    assert!(running.wait_until(moved));
    let blob = s.git_with_input(&["hash-object", "-w", "--stdin"], b"one\ntheirs\nthree\n");
    let entries = s.git(&["ls-tree", "otto/two"]);
    let entries = entries.lines().filter(|l| !l.ends_with("\tb.txt")).map(|l| format!("{l}\n"));
    let listing = entries.collect::<String>() + &format!("100644 blob {}\tb.txt\n", blob.trim());
    let tree = s.git_with_input(&["mktree"], listing.as_bytes());
    let commit = s.git(&["commit-tree", tree.trim(), "-p", "otto/two", "-m", "By hand"]);
    s.git(&["update-ref", "refs/heads/otto/two", &commit]);
    s.write("a-landed", "");
    Run::read(running.wait())
}

/// Keeps both sides of each conflict in `b.txt`.
const RESOLVES: &str =
    "sed -e '/^<<<<<<< /d' -e '/^||||||| /,/^=======$/d' -e '/^>>>>>>> /d' b.txt > b.new; mv b.new b.txt;;";

fn task(s: &Sandbox, n: u32) -> Value {
    serde_json::from_slice(&std::fs::read(s.path(format!("task-{n}"))).unwrap()).unwrap()
}

#[test]
fn a_conflict_is_resolved_by_the_agent_that_finds_both_sides_in_the_file() {
    let s = sandbox();
    let run = crossed(&s, &format!("2) {RESOLVES}")).ends(0);
    assert_eq!(run.failures("b"), [Some("conflict".into()), None]);
    assert_eq!(s.git(&["show", "otto/two:b.txt"]), "one\ntheirs\nmine\nthree");
    let task = task(&s, 2);
    assert_valid(include_str!("../../../schemas/task.json"), &task);
    let [conflict] = &task["conflicts"].as_array().unwrap()[..] else { panic!("{task:#}") };
    assert_eq!((&conflict["path"], &conflict["marked"]), (&json!("b.txt"), &json!(true)));
    assert_eq!((&conflict["owners"], &conflict["landed"]), (&json!(["b"]), &Value::Null));
    let texts = ["base", "target", "candidate"].map(|side| conflict[side]["text"].as_str().unwrap().to_owned());
    assert_eq!(texts, ["one\ntwo\nthree\n", "one\ntheirs\nthree\n", "one\nmine\nthree\n"]);
}

#[test]
fn marks_that_are_left_are_told_and_the_conflict_is_there_again() {
    let s = sandbox();
    let run = crossed(&s, &format!("2) echo left >> b.txt;;\n   3) rm b.txt; exit 1;;\n   4) {RESOLVES}")).ends(0);
    assert_eq!(run.failures("b"), [Some("conflict".into()), Some("conflict".into()), Some("agent".into()), None]);
    let told = task(&s, 3)["failures"].to_string();
    assert!(told.contains("conflict marks are left in `b.txt`"), "{told}");
    assert_eq!(task(&s, 4)["conflicts"][0]["path"], "b.txt");
    assert_eq!(s.git(&["show", "otto/two:b.txt"]), "one\ntheirs\nmine\nthree");
}

#[test]
fn who_gives_up_is_blocked_and_the_target_stays_as_it_is() {
    let s = sandbox();
    let run = crossed(&s, "*) exit 1;;").ends(4);
    run.blocked("b", "same_diff", 3);
    assert_eq!(s.git(&["show", "otto/two:b.txt"]), "one\ntheirs\nthree");
    assert_sound(&s);
}

#[test]
fn what_others_landed_stays_and_its_slice_is_named() {
    let s = sandbox();
    let kept = s.path("kept");
    let attempts = [json!([right("b"), write("new.txt", "from b\n")]), json!([{"keep_task": kept}])];
    let body = plain("b");
    let run = queue::together(&s, &body, "", &[write("new.txt", "from a\n")], &attempts, "").ends(0);
    assert_eq!(run.failures("b"), [Some("conflict".into()), None]);
    assert_eq!(s.git(&["show", "otto/two:new.txt"]), "from a");
    let task: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    let conflict = &task["conflicts"][0];
    assert_eq!((&conflict["path"], &conflict["marked"]), (&json!("new.txt"), &json!(false)));
    assert_eq!(conflict["landed"]["requirements"]["R1"], "The part a is there.");
    assert!(conflict["kinds"].as_array().unwrap().contains(&json!("add/add")), "{conflict:#}");
    let told = task["failures"].to_string();
    assert!(told.contains("what landed meanwhile on the same paths: slice `a`"), "{told}");
}

#[test]
fn a_literal_contract_takes_the_lines_of_every_slice() {
    let s = sandbox();
    s.commit("Index", &[("index.txt", "first\n")]);
    let line = |id: &str| json!({"append": {"path": "index.txt", "content": format!("{id}\n")}});
    let head = "Contract `index.txt`, owned by `c`, literal, exports `a`.";
    let parts = [
        ("a", &[][..], plain("a")),
        ("b", &[], plain("b")),
        ("c", &["a", "b"], "Owns: `index.txt`.\n\nCheck: `cat index.txt | grep -c .` prints `4`.".to_owned()),
    ];
    let both = s.path("both");
    let agent = agent(
        &s,
        json!({
            "a": {"1": [{"wait_for": both}, right("a"), line("a")]},
            "b": {"1": [{"touch": both}, right("b"), line("b")]},
            "c": {"1": [line("c")]},
        }),
    );
    let run = run(&s, &intent("Three", head, &parts, ""), &agent, &["--jobs", "2"]).ends(0);
    assert_eq!(s.git(&["show", "otto/three:index.txt"]), "first\na\nb\nc");
    assert!(["a", "b", "c"].iter().all(|id| run.failures(id) == [None]));
}

#[test]
fn a_contract_must_export_what_it_promises() {
    let s = sandbox();
    let head = "Contract `a.txt`, owned by `a`, semantic, exports `a` and `more`, probed by `a-1`.";
    let body = "Owns: `a.txt`.\n\nCheck: `head -n 1 a.txt` prints `a`.".to_owned();
    let kept = s.path("kept");
    let agent = agent(
        &s,
        json!({"a": {"1": [write("a.txt", "a\nmores\n")], "2": [{"keep_task": kept}, write("a.txt", "a\nmore\n")]}}),
    );
    let run = run(&s, &intent("One", head, &[("a", &[], body)], ""), &agent, &[]).ends(0);
    assert_eq!(run.failures("a"), [Some("checks".into()), None]);
    let told = std::fs::read_to_string(kept).unwrap();
    assert!(told.contains("the contract `a.txt` does not export `more`"), "{told}");
}
