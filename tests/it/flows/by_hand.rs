//! A person as the agent: they work in a folder of their own and hand it in, in the same queue as everybody.

use rustix::process::Signal;

use super::*;
use crate::support::Running;

/// Three slices: one that carries its code, one that the agent builds, one that the agent cannot build and a person mends.
fn begin(s: &Sandbox) -> Running {
    let carried = "Check: `cat a.txt` prints `a`.\n\nFile `a.txt`:\n\n```\na\n```";
    let parts = [("a", &[][..], carried.to_owned()), ("b", &[], plain("b")), ("c", &["a"], plain("c"))];
    s.write("intent.md", intent("Three", "", &parts, ""));
    let agent = agent(s, json!({"b": {"1": [right("b")]}, "c": {"1": [write("c.txt", "x\n")]}}));
    s.git(&["config", "otto.build.agent", &agent]);
    s.git(&["config", "otto.repair.agent", "manual"]);
    s.start(&["run", "--yes", "--json", "../intent.md", "--jobs", "2"], &[])
}

/// Where the person works, once they are told of that attempt.
fn told(s: &Sandbox, mut running: Running, attempt: u32) -> (Running, std::path::PathBuf) {
    let waits = || {
        let status = s.otto(&["status", "--json"]).json();
        let slices = status["slices"].as_array().cloned().unwrap_or_default();
        slices.into_iter().find(|l| l["id"] == "c").map(|l| l["waits"].clone()).unwrap_or_default()
    };
    let text = || std::fs::read_to_string(waits()["task"].as_str().unwrap_or_default()).unwrap_or_default();
    if !running.wait_until(|| text().contains(&format!("attempt {attempt}."))) {
        panic!("nobody was asked: {}", running.wait());
    }
    let waits = waits();
    assert_eq!(waits["command"], "git otto submit c");
    (running, waits["workspace"].as_str().unwrap().into())
}

#[test]
fn a_person_mends_what_an_agent_could_not_beside_slices_that_carry_their_code() {
    let s = sandbox();
    refuses(&s, "repo", &["submit"], 2, "nothing waits for anybody", "git otto status");
    let (running, dir) = told(&s, begin(&s), 2);
    assert!(s.otto(&["status"]).exits(0).stdout.contains("waits for you in "));
    refuses(&s, "repo", &["submit", "b"], 2, "`b` waits for nobody", "git otto submit c --run three-");
    assert_eq!(std::fs::read_to_string(dir.join("c.txt")).unwrap(), "x\n", "the files to go on from");
    // Not right yet: the same folder waits again, with what failed.
    std::fs::write(dir.join("c.txt"), "y\n").unwrap();
    let out = s.otto(&["submit", "c", "-m", "Is it y?"]).exits(0);
    assert_eq!(out.stdout, "c: taken as attempt 2\n");
    let (running, again) = told(&s, running, 3);
    assert_eq!((&again, std::fs::read_to_string(dir.join("c.txt")).unwrap()), (&dir, "y\n".to_owned()));

    // Their edits outlive the process, and what they hand in meanwhile is taken when it goes on.
    std::fs::write(dir.join("c.txt"), "c\n").unwrap();
    running.signal(Signal::INT);
    let out = running.wait().exits(130);
    assert!(out.stderr.contains("git otto resume three-"), "{out}");
    let inside = s.spawn(s.otto_command("repo", &["submit"]).current_dir(&dir), None).wait().exits(0);
    assert!(inside.stdout.contains("next: git otto resume three-"), "{inside}");
    let run = Run::read(s.otto(&["resume", "--json"])).ends(0);
    assert!(!dir.exists(), "what is done is cleared away");

    let c = run.stands("c", "landed", 3);
    let who: Vec<&str> = c["attempts"].as_array().unwrap().iter().map(|a| a["provider"].as_str().unwrap()).collect();
    assert!(who[0].starts_with("command:") && who[1..] == ["manual", "manual"], "{c:#}");
    assert_eq!(run.stands("a", "landed", 1)["attempts"][0]["provider"], "literate");
    assert_eq!(run.failures("c"), [Some("checks".into()), Some("checks".into()), None]);
    let landed = landings(&s, "main", "otto/three");
    assert!(order(&landed).contains(&"c"), "{landed:?}");
    refuses(&s, "repo", &["submit", "c"], 2, "`c` waits for nobody", "git otto status");
    assert_sound(&s);
}
