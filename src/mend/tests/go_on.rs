//! Going on: what is refused, and who else may be at work. That it is what git does is shown on every state that git can leave,
//! with the built program.

use super::*;
use crate::{
    base::Exit,
    git::{self, Concluded},
    mend::go_on,
};

const RESOLVED: &str = "git merge topic; echo done >f; git add f";

fn plan(s: &Scene, store: &Store) -> Result<go_on::Plan, Refused> {
    go_on::plan(store, s.paused().remove(0))
}

#[test]
fn what_only_a_person_can_end_is_theirs() {
    for (script, says) in [
        ("git merge topic", "git add -- 'f'"),
        ("git merge --squash topic; echo done >f; git add f", "git commit"),
        ("git bisect start HEAD HEAD~2", "git bisect good"),
    ] {
        let s = Scene::new("", false, script);
        let before = s.look();
        let e = plan(&s, &s.store(None)).unwrap_err();
        let hint = crate::base::Explain::hint(&e).unwrap();
        assert_eq!(crate::base::Explain::exit(&e), Exit::Refused, "{script}: {e}");
        assert!(hint.contains(says), "{script}: {hint}");
        assert_eq!(s.look(), before, "{script}");
    }
}

#[test]
fn whoever_moves_something_meanwhile_keeps_it() {
    for (script, what) in [
        ("echo theirs >f; git add f", "the index"),
        ("git update-ref refs/heads/here topic", "here"),
        ("git checkout -q --detach", "HEAD"),
        ("touch .git/index.lock", "index"),
    ] {
        let s = Scene::new("", false, RESOLVED);
        let store = s.store(None);
        let plan = plan(&s, &store).unwrap();
        assert!(matches!(plan.by, Concluded::Here(_)), "{plan:?}");
        s.sh(script);
        let before = s.look();
        match go_on::perform(&store, &plan, false).unwrap_err() {
            Refused::Git(git::Error::Locked { name, .. }) => assert!(name.contains(what), "{script}: {name}"),
            e => panic!("{script}: {e}"),
        }
        assert_eq!(s.look(), before, "{script}");
    }
}

#[test]
fn what_a_commit_of_gits_would_do_more_is_left_to_git() {
    for script in [
        "printf '#!/bin/sh\\n' >.git/hooks/commit-msg; chmod +x .git/hooks/commit-msg",
        "git config hook.mine.command true; git config hook.mine.event post-commit",
        "git config commit.gpgSign true",
        "git config commit.cleanup verbatim",
        "git config core.commentChar %",
        "git config i18n.commitEncoding latin1",
        "git config rerere.enabled true",
        "mkdir .git/rr-cache",
        "printf '# nothing\\n' >.git/MERGE_MSG",
        "printf 'caf\\351\\n' >.git/MERGE_MSG",
    ] {
        let s = Scene::new("", false, &format!("mkdir -p .git/hooks; {RESOLVED}"));
        assert!(matches!(plan(&s, &s.store(None)).unwrap().by, Concluded::Here(_)));
        s.sh(script);
        let plan = plan(&s, &s.store(None)).unwrap();
        assert!(matches!(plan.by, Concluded::ByGit(_)), "{script}: {plan:?}");
    }
}
