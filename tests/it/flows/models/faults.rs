//! What endpoints do wrong, in whole runs.

use super::*;

#[test]
fn a_run_gets_over_every_fault_that_passes() {
    for provider in BOTH {
        let mut asked = [0, 0];
        let model = Model::start(move |turn| {
            let counter = &mut asked[usize::from(!compiles(turn))];
            *counter += 1;
            match (compiles(turn), *counter) {
                (true, 1) => Reply::status(429).header("retry-after", "0"),
                (true, 2) => Reply::status(500).header("retry-after-ms", "5"),
                (true, 3) => Reply::structured(json!({"title": 7})),
                (true, 4) => {
                    let mut unproven = prose::spec(&["a"]);
                    unproven["requirements"]
                        .as_array_mut()
                        .unwrap()
                        .push(json!({"id": "R2", "text": "nobody proves this"}));
                    Reply::structured(unproven)
                }
                (true, _) => Reply::structured(prose::spec(&["a"])).drip(64, std::time::Duration::from_millis(1)),
                (false, 1) => writes(turn).cut(250),
                (false, 3) => Reply::raw("<html>busy</html>"),
                (false, 4) => Reply::raw("data: {\"half\": \n\n"),
                (false, _) => writes(turn),
            }
        });
        let s = reaching(provider, &model);
        let run = Run::read(run_prose(&s, provider)).ends(0);
        run.stands("a", "landed", 1);
        let turns = model.requests();
        assert_eq!((turns.iter().filter(|t| compiles(t)).count(), turns.len()), (5, 10));
        // What was wrong with the spec was told in the same conversation.
        assert!(turns[3].prompt.contains("was not accepted"), "{}", turns[3].prompt);
        assert!(turns[4].prompt.contains("/requirements/1"), "{}", turns[4].prompt);
        assert!(turns[4].text.contains("You turn an intent"));
        assert!(run.out.stderr.contains("waits: it answers with status 429"), "{}", run.out);
    }
}

#[test]
fn a_spec_that_is_wrong_three_times_ends_with_what_is_wrong() {
    for provider in BOTH {
        let mut wrong = prose::spec(&["a"]);
        wrong["slices"][0]["owned_paths"] = json!(["../outside"]);
        let model = Model::start(move |_| Reply::structured(wrong.clone()));
        let s = reaching(provider, &model);
        let out = run_prose(&s, provider).exits(3);
        assert!(out.stderr.contains("/slices/0/owned_paths/0"), "{out}");
        assert_eq!((model.requests().len(), refs_of_otto(&s)), (3, String::new()));
    }
}

#[test]
fn a_key_that_is_refused_is_told_before_anything_is_built() {
    for provider in BOTH {
        let model = Model::start(|_| Reply::status(401));
        let s = reaching(provider, &model);
        let out = run_prose(&s, provider).exits(7);
        assert!(out.stderr.contains("invalid api key") && out.stderr.contains("git otto agents --probe"), "{out}");
        assert_eq!((model.requests().len(), refs_of_otto(&s)), (1, String::new()));
        assert!(!out.to_string().replace(&format!("\"{KEY}\""), "").contains(KEY), "{out}");
        // An intent that needs no compile is begun, and stands where nothing was built.
        let out = run_slices(&s, provider, &["a"]).exits(7);
        assert!(out.stderr.contains("invalid api key") && out.stderr.contains("git otto resume"), "{out}");
        assert_eq!(model.requests().len(), 2);
    }
}

#[test]
fn a_quota_that_ends_in_the_middle_stops_the_run_which_goes_on_later() {
    for provider in BOTH {
        let model = Model::start(|turn| match slice(turn) {
            "a" => writes(turn),
            _ if turn.nth < 3 => Reply::call(call("write", json!({"path": "b.txt", "content": "half\n"}))),
            _ if turn.nth == 3 => {
                let error = json!({"message": "You exceeded your quota.", "type": "x", "code": "insufficient_quota"});
                Reply::status(429).body(json!({"error": error}).to_string())
            }
            _ => steps(turn, &[call("edit", json!({"path": "b.txt", "old": "half", "new": "b"}))]),
        });
        let s = reaching(provider, &model);
        priced(&s, provider);
        s.git(&["config", "otto.jobs", "1"]);
        let out = run_slices(&s, provider, &["a", "b"]).exits(7);
        assert!(out.stderr.contains("You exceeded your quota.") && out.stderr.contains("git otto resume"), "{out}");
        let run = Run::read(otto(&s, provider, &["resume", "--json"])).ends(0);
        run.stands("a", "landed", 1);
        run.stands("b", "landed", 1);
        let turns = model.requests();
        let [a, b] = ["a", "b"].map(|id| about(&turns, id));
        assert_eq!((a.len(), b.len()), (2, 4), "nothing is built twice, nothing is asked in vain");
        assert!(b[2].body["messages"].to_string().contains("half"), "the conversation goes on");
        assert_eq!(run.packet["built_by"]["cost"]["usd_micros"], 5 * USD_MICROS);
    }
}

#[test]
fn a_model_must_be_named() {
    for provider in BOTH {
        let model = Model::start(right_at_once);
        let s = reaching(provider, &model);
        write_intent(&s, &["a"]);
        for intent in [&["--text", PROSE][..], &["../intent.md"]] {
            let args = [&["run", "--yes", "--agent", provider], intent].concat();
            let out = otto(&s, provider, &args).exits(7);
            assert!(out.stderr.contains("no model is set") && out.stderr.contains("git config otto.model"), "{out}");
        }
        assert_eq!((model.requests().len(), refs_of_otto(&s)), (0, String::new()));
        s.git(&["config", "otto.model", "m"]);
        s.git(&["config", "otto.agent", provider]);
        Run::read(otto(&s, provider, &["run", "--yes", "--json", "../intent.md"])).ends(0);
    }
}

fn refs_of_otto(s: &Sandbox) -> String {
    s.git(&["for-each-ref", "refs/otto"])
}
