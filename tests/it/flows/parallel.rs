//! Slices that are built at once, and what a person sees of them.

use super::*;

const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// Independent slices whose agents each go on only once all others are at work.
fn together(s: &Sandbox) -> String {
    let script = IDS.map(|id| {
        let all = IDS.map(|other| json!({"wait_for": s.path(format!("at-{other}"))}));
        let steps: Vec<Value> = [json!({"touch": s.path(format!("at-{id}"))})].into_iter().chain(all).collect();
        let steps = [steps, vec![right(id)]].concat();
        (id.to_owned(), json!({"1": steps}))
    });
    s.write("intent.md", intent("Four", "", &IDS.map(|id| (id, &[][..], plain(id))), ""));
    agent(s, Value::Object(script.into_iter().collect()))
}

#[test]
fn as_many_agents_as_wanted_are_at_work_at_once_and_the_product_is_the_same() {
    let trees = [(); 2].map(|()| {
        let s = sandbox();
        let agent = together(&s);
        let run =
            Run::read(s.otto(&["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "4"])).ends(0);
        for id in IDS {
            run.stands(id, "landed", 1);
        }
        let mut landed =
            landings(&s, "main", "otto/four").iter().map(|(_, r)| r["slice"].to_string()).collect::<Vec<_>>();
        landed.sort();
        assert_eq!(landed, IDS.map(|id| format!("{id:?}")), "each once");
        assert_sound(&s);
        s.git(&["rev-parse", "otto/four:a.txt", "otto/four:b.txt", "otto/four:c.txt", "otto/four:d.txt"])
    });
    assert_eq!(trees[0], trees[1]);
}

#[test]
fn a_terminal_shows_what_is_under_way_and_is_left_clean() {
    let s = sandbox();
    let agent = together(&s);
    let args = ["run", "--yes", "../intent.md", "--agent", &agent, "--jobs", "4"];
    let out = s.typed(&args, &[("TERM", "xterm")], "").exits(0);
    let last = out.stderr.rfind("of 4 landed").unwrap_or_else(|| panic!("nothing was shown: {out}"));
    assert!(out.stderr.contains("4 at work") && out.stderr.contains("attempt 1 by command:"), "{out}");
    assert!(
        out.stderr[last..].contains("\u{1b}[2K") || out.stderr[last..].contains("\u{1b}[J"),
        "not cleared: {out:?}"
    );
    assert!(out.stderr.contains("landed as "), "lines that are done stay: {out}");
    // Where lines cannot be drawn anew, none are.
    for (term, quiet) in [("dumb", "--color=auto"), ("xterm", "--quiet")] {
        let s = sandbox();
        let agent = together(&s);
        let args = ["run", "--yes", "../intent.md", "--agent", &agent, "--jobs", "4", quiet];
        let out = s.typed(&args, &[("TERM", term)], "").exits(0);
        assert!(!out.stderr.contains("of 4 landed"), "{out}");
    }
}
