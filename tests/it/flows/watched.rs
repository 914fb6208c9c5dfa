//! What `status`, `why` and `queue` say is right at every moment of a run: while another process works on it, once that has
//! died, and while it is taken up.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use super::*;
use crate::support::Running;

const IDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// What was said so far, none of which may be taken back.
#[derive(Default)]
struct Seen {
    landed: BTreeMap<String, String>,
    /// Since the process was started that works on the run, somebody was said to.
    ran: bool,
    finished: bool,
    /// How often the run was looked at while somebody worked on it, and while nobody did.
    looks: [usize; 2],
}

/// The slices that a journal and the receipts on the target tell of as landed.
fn told(s: &Sandbox) -> BTreeSet<String> {
    let targets = s.git(&["for-each-ref", "--format=%(refname)", "refs/otto/targets"]);
    let Some(target) = targets.lines().next() else { return BTreeSet::new() };
    let notes = s.git(&["log", "--first-parent", "--notes=otto/*", "--format=%N", &format!("main..{target}")]);
    let receipts = notes.lines().filter(|l| l.starts_with("{\"receipt\":"));
    receipts.map(|l| serde_json::from_str::<Value>(l).unwrap()["slice"].as_str().unwrap().to_owned()).collect()
}

impl Seen {
    /// Asks once more; `works` says whether a process works on the run.
    #[track_caller]
    fn look(&mut self, s: &Sandbox, works: bool) {
        let before = told(s);
        let status = s.otto(&["status", "--json"]).exits(0).json();
        let after = told(s);
        let slices = status["slices"].as_array().unwrap();
        if status["run"].is_null() {
            return;
        }
        self.looks[usize::from(!works)] += 1;
        let landed: BTreeMap<String, String> = slices
            .iter()
            .filter(|l| l["phase"] == "landed")
            .map(|l| (l["id"].as_str().unwrap().to_owned(), l["landing"].as_str().unwrap().to_owned()))
            .collect();
        let said: BTreeSet<String> = landed.keys().cloned().collect();
        assert!(before.is_subset(&said) && said.is_subset(&after), "{before:?}, {said:?}, {after:?}");
        for (slice, commit) in &self.landed {
            assert_eq!(landed.get(slice), Some(commit), "what has landed stays: {status:#}");
        }
        self.landed = landed;
        assert_eq!((slices.len(), &status["problems"]), (IDS.len(), &json!([])), "{status:#}");
        let standing = status["standing"].as_str().unwrap();
        match (works, self.finished) {
            (_, true) => assert_eq!(standing, "finished"),
            (false, _) => assert_eq!(standing, "interrupted", "nobody works on it"),
            // Until it is taken up it is what it was.
            (true, _) if self.ran => assert!(["running", "finished"].contains(&standing), "{status:#}"),
            (true, _) => assert!(["running", "interrupted"].contains(&standing), "{status:#}"),
        }
        (self.ran, self.finished) = (standing == "running", standing == "finished");
        assert_eq!(status["verdict"].is_string(), self.finished, "{status:#}");
        assert!(!self.finished || self.landed.len() == IDS.len(), "{status:#}");
        let at_work = slices.iter().filter(|l| l["agent"].is_object()).count();
        assert!(at_work <= if standing == "running" { 2 } else { 0 }, "{status:#}");
        let slice = IDS[self.looks.iter().sum::<usize>() % IDS.len()];
        self.ask_why(s, slice, works);
        self.ask_for_the_queue(s, works);
    }

    #[track_caller]
    fn ask_why(&self, s: &Sandbox, slice: &str, works: bool) {
        let why = s.otto(&["why", slice, "--json"]).exits(0).json();
        let because: Vec<&str> =
            why["because"].as_array().unwrap().iter().map(|b| b["because"].as_str().unwrap()).collect();
        assert!(!because.is_empty(), "{why:#}");
        if self.landed.contains_key(slice) {
            assert_eq!((&why["phase"], because[0]), (&json!("landed"), "landed"), "{why:#}");
        }
        if !works && !self.finished {
            assert_eq!(why["standing"], "interrupted");
            assert!(!because.iter().any(|b| ["at_work", "testing", "no_place"].contains(b)), "{why:#}");
        }
    }

    #[track_caller]
    fn ask_for_the_queue(&self, s: &Sandbox, works: bool) {
        let queue = s.otto(&["queue", "--json"]).exits(0).json();
        let (landed, turns) = (queue["landed"].as_u64().unwrap() as usize, queue["turns"].as_array().unwrap());
        assert_eq!(landed + turns.len(), IDS.len(), "nothing is lost, and nothing counted twice: {queue:#}");
        assert!(landed >= self.landed.len(), "{queue:#}");
        if !works && !self.finished {
            assert_eq!((landed, &queue["standing"]), (self.landed.len(), &json!("interrupted")));
        }
    }
}

#[test]
fn what_is_said_of_a_run_is_right_while_it_is_live_killed_and_taken_up() {
    let s = sandbox();
    s.git(&["config", "otto.queue.depth", "3"]);
    let script = IDS.map(|id| (id.to_owned(), json!({"*": [right(id)]})));
    let agent = agent(&s, Value::Object(script.into_iter().collect()));
    let needs = |id: &str| -> &[&str] { if ["e", "f"].contains(&id) { &["a"] } else { &[] } };
    s.write("intent.md", intent("Eight", "", &IDS.map(|id| (id, needs(id), plain(id))), ""));
    let seen = RefCell::new(Seen::default());
    let begin = |args: &[&str]| -> Running { s.start(args, &[]) };
    let mut running = begin(&["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "2"]);
    for landed in [1, 3, 5] {
        let far = running.wait_until(|| {
            seen.borrow_mut().look(&s, true);
            seen.borrow().landed.len() >= landed
        });
        assert!(far, "it ended early: {}", running.wait());
        running.kill();
        seen.borrow_mut().ran = false;
        for _ in 0..3 {
            seen.borrow_mut().look(&s, false);
        }
        running = begin(&["resume", "--json"]);
    }
    running.wait_until(|| {
        seen.borrow_mut().look(&s, true);
        seen.borrow().finished
    });
    Run::read(running.wait()).ends(0);
    let mut seen = seen.into_inner();
    seen.look(&s, false);
    let [live, dead] = seen.looks;
    assert!(live >= 8 && dead == 10, "{live} looks at a live run and {dead} at a dead one");
    assert_eq!(seen.landed.len(), IDS.len());
    assert_sound(&s);
}
