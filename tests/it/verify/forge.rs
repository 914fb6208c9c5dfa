//! The buttons of a forge, simulated with git: what they make of a run's landings, and what is then still proven.

use super::example;
use crate::support::Sandbox;

/// What `verify` says of each commit from `base` on that brings landings, oldest first.
fn proofs(s: &Sandbox, base: &str) -> Vec<(String, String)> {
    let out = s.otto(&["verify", "--json", &format!("{base}..HEAD")]).exits(0).json();
    let of = |d: &serde_json::Value, key: &str| d[key].as_str().unwrap().to_owned();
    out["delivered"].as_array().unwrap().iter().map(|d| (of(d, "commit"), of(d, "proof"))).collect()
}

fn last(s: &Sandbox, base: &str) -> Option<String> {
    let head = s.git(&["rev-parse", "HEAD"]);
    proofs(s, base).into_iter().find(|(commit, _)| *commit == head).map(|(_, proof)| proof)
}

/// The merge button.
fn merge(s: &Sandbox) {
    s.git(&["merge", "-q", "--no-ff", "-m", "Merge pull request #1", "otto/jot"]);
}

/// The rebase button: what is no merge, picked one by one.
fn rebase(s: &Sandbox) {
    let picks = s.git(&["rev-list", "--reverse", "--no-merges", "--topo-order", "HEAD..otto/jot"]);
    let picks: Vec<&str> = picks.lines().collect();
    // A forge commits in its own name and at its own time, so no commit keeps its id.
    s.git(&[&["-c", "user.name=Forge", "cherry-pick", "--allow-empty"][..], &picks].concat());
    assert!(!picks.contains(&s.git(&["rev-parse", "HEAD"]).as_str()));
}

/// The squash button.
fn squash(s: &Sandbox) {
    s.git(&["merge", "-q", "--squash", "otto/jot"]);
    s.git(&["commit", "-q", "-m", "All of it (#1)"]);
}

#[test]
fn receipts_are_found_again_behind_every_button() {
    let s = example();
    let base = s.git(&["rev-parse", "HEAD"]);
    type Button = fn(&Sandbox);
    // Landings are merges, and the copy of the spec is only in them: rebasing leaves it out, so the tree is another one.
    let buttons: [(&str, Button, &str); 3] =
        [("merge", merge, "verified"), ("rebase", rebase, "content_known"), ("squash", squash, "verified")];
    for (name, press, unmoved) in buttons {
        s.git(&["reset", "-q", "--hard", &base]);
        press(&s);
        assert_eq!(last(&s, &base).as_deref(), Some(unmoved), "{name}, main unmoved");

        s.git(&["reset", "-q", "--hard", &base]);
        s.commit("meanwhile", &[("elsewhere.txt", "1\n")]);
        let moved = s.git(&["rev-parse", "HEAD"]);
        press(&s);
        assert_eq!(last(&s, &moved).as_deref(), Some("content_known"), "{name}, main moved");
        let text = s.otto(&["verify", "HEAD"]).exits(0);
        assert!(text.stdout.contains(": content known, merged tree not tested"), "{text}");
        assert!(!text.stdout.contains("verified"), "{text}");
        // What somebody commits on top of it brings nothing.
        s.commit("later", &[("other.txt", "1\n")]);
        assert_eq!(last(&s, &moved), None, "{name}, later");
    }
}

#[test]
fn landings_themselves_are_verified_and_what_was_changed_on_the_way_is_not() {
    let s = example();
    let base = s.git(&["rev-parse", "HEAD"]);
    s.git(&["merge", "-q", "--ff-only", "otto/jot"]);
    let (all, landings) = (proofs(&s, &base), s.git(&["rev-list", "--first-parent", &format!("{base}..HEAD")]));
    assert_eq!(landings.lines().count(), 4);
    for landing in landings.lines() {
        assert!(all.contains(&(landing.to_owned(), "verified".to_owned())), "{landing}: {all:?}");
    }

    s.git(&["reset", "-q", "--hard", &base]);
    s.git(&["merge", "-q", "--squash", "otto/jot"]);
    let file =
        s.git(&["diff", "--cached", "--name-only"]).lines().find(|f| !f.starts_with(".otto/")).unwrap().to_owned();
    s.write(&format!("repo/{file}"), "changed while squashing\n");
    s.git(&["add", "."]);
    s.git(&["commit", "-q", "-m", "All of it, almost"]);
    // The slices that landed before that file are still what they were; the whole is not.
    assert!(proofs(&s, &base).iter().all(|(_, proof)| proof == "content_known"));

    // A run with which anything is wrong proves nothing.
    s.git(&["reset", "-q", "--hard", &base]);
    squash(&s);
    let evidence = s.git(&["for-each-ref", "--format=%(refname)", "refs/notes/otto"]);
    s.git(&["update-ref", "-d", &evidence]);
    assert_eq!(proofs(&s, &base), []);
}
