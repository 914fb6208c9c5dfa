//! Every state that git can leave, made by git itself, twice: one is given up by git, the other here. What is there
//! afterwards must be the same.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

mod go_on;

use super::{Refused, abort};
use crate::{
    base::{Env, World},
    git::{Paused, PausedKind, Repo},
    store::Store,
};

/// Two branches that cannot be merged: `topic`, and `main` with `here` beside it.
const GROUND: &str = "
    printf 'one\\ntwo\\nthree\\n' >f; echo g >g; mkdir dir; echo h >dir/h; echo other >other; echo late >late
    git add .; git commit -qm base
    git switch -qc topic
    printf 'one\\nTOPIC\\nthree\\n' >f; git rm -qr dir; echo new >new; git add .; git commit -qm topic-1
    echo more >>other; chmod +x g; ln -s f link; git add .; git commit -qm topic-2
    git format-patch -q -o ../patches main
    git switch -q main
    printf 'one\\nMAIN\\nthree\\n' >f; git commit -qam main-1
    echo G >>g; git commit -qam main-2
";

/// What is half done: its name, how it comes to be, git's own command that gives it up.
const STATES: [(&str, PausedKind, &str, &str); 21] = [
    ("merge", PausedKind::Merge, "git merge topic", "git merge --abort"),
    ("merge, resolved", PausedKind::Merge, "git merge topic; echo done >f; git add f", "git merge --abort"),
    (
        "merge, not committed",
        PausedKind::Merge,
        "git switch -qc x main~2; git merge --no-ff --no-commit topic",
        "git merge --abort",
    ),
    ("merge, detached", PausedKind::Merge, "git switch -q --detach; git merge topic", "git merge --abort"),
    ("merge, autostash", PausedKind::Merge, "echo mine >late; git merge --autostash topic", "git merge --abort"),
    ("squash", PausedKind::Squash, "git merge --squash topic", "git reset --merge"),
    ("rebase", PausedKind::Rebase, "git switch -q topic; git rebase main", "git rebase --abort"),
    ("rebase, detached", PausedKind::Rebase, "git switch -q --detach topic; git rebase main", "git rebase --abort"),
    (
        "rebase, autostash",
        PausedKind::Rebase,
        "git switch -q topic; echo mine >late; echo x >added; git add added; git rebase --autostash main",
        "git rebase --abort",
    ),
    (
        "rebase, interactive",
        PausedKind::Rebase,
        "git switch -q topic; GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -i main~2",
        "git rebase --abort",
    ),
    (
        "rebase, merges",
        PausedKind::Rebase,
        "git switch -q topic; git merge -q -s ours main~1; git rebase -r main",
        "git rebase --abort",
    ),
    ("rebase, apply", PausedKind::RebaseApply, "git switch -q topic; git rebase --apply main", "git rebase --abort"),
    ("am", PausedKind::Am, "git am ../patches/*", "git am --abort"),
    ("am, three ways", PausedKind::Am, "git am -3 ../patches/*", "git am --abort"),
    ("cherry-pick", PausedKind::CherryPick, "git cherry-pick topic~1", "git cherry-pick --abort"),
    ("cherry-picks", PausedKind::CherryPick, "git cherry-pick topic topic~1", "git cherry-pick --abort"),
    ("cherry-picks, at the first", PausedKind::CherryPick, "git cherry-pick topic~1 topic", "git cherry-pick --abort"),
    (
        "cherry-picks, committed by hand",
        PausedKind::CherryPick,
        "git cherry-pick topic~1 topic; echo by hand >f; git add f; git commit -qm hand",
        "git cherry-pick --abort",
    ),
    ("revert", PausedKind::Revert, "git revert --no-edit main~2", "git revert --abort"),
    ("reverts", PausedKind::Revert, "git revert --no-edit main main~2", "git revert --abort"),
    ("bisect", PausedKind::Bisect, "git bisect start HEAD HEAD~2", "git bisect reset"),
];

/// What is compared: index, files, HEAD, refs, reflogs, what lies in the git directory.
const LOOK: &str = "
    git ls-files -s; git status --porcelain --branch; git symbolic-ref -q HEAD; git rev-parse HEAD ORIG_HEAD
    git for-each-ref | grep -v refs/otto
    for ref in HEAD here topic stash; do git log -g --format=\"$ref %H %gs\" $ref --; done 2>/dev/null
    git rev-parse -q --verify AUTO_MERGE
    ls \"$(git rev-parse --absolute-git-dir)\" | grep -v -e '^otto$' -e '^index$' -e '^logs$' -e COMMIT_EDITMSG
    find . -path ./.git -prune -o -not -name .git -printf '%y %m %p %l\\n' | sort
    find . -path ./.git -prune -o -type f -not -name .git -print | sort | xargs sha256sum
";

/// Who works, when, and how.
const SETTINGS: [(&str, &str); 8] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_EDITOR", "true"),
    ("GIT_AUTHOR_NAME", "A U Thor"),
    ("GIT_AUTHOR_EMAIL", "author@example.com"),
    ("GIT_COMMITTER_NAME", "C O Mitter"),
    ("GIT_COMMITTER_EMAIL", "committer@example.com"),
    ("GIT_AUTHOR_DATE", "1700000000 +0000"),
    ("GIT_COMMITTER_DATE", "1700000000 +0000"),
];

struct Scene {
    dir: tempfile::TempDir,
    work: PathBuf,
}

impl Scene {
    fn new(flags: &str, linked: bool, script: &str) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("main");
        fs::create_dir(&main).unwrap();
        sh(&main, dir.path(), &format!("git init -q -b main {flags} .; {GROUND}"));
        let work = if linked { dir.path().join("linked") } else { main.clone() };
        let begin = if linked { "git worktree add -q -b here ../linked" } else { "git switch -qc here" };
        sh(&main, dir.path(), begin);
        sh(&work, dir.path(), script);
        Scene { dir, work }
    }

    fn sh(&self, script: &str) -> String {
        sh(&self.work, self.dir.path(), script)
    }

    fn store(&self, fault: Option<&str>) -> Store {
        let mut env = Env { cwd: self.work.clone(), home: Some(self.dir.path().into()), ..Env::default() };
        env.vars.insert("HOME".into(), self.dir.path().into());
        env.vars.insert("PATH".into(), std::env::var_os("PATH").unwrap());
        env.git.extend(SETTINGS.map(|(name, value)| (name.into(), value.into())));
        let repo = Repo::discover(&env).unwrap();
        let mut world = World::real(env).unwrap();
        if cfg!(feature = "faults") {
            world.faults = Arc::new(crate::base::faults::Faults::parse(fault).unwrap());
        }
        Store::new(repo, world)
    }

    fn paused(&self) -> Vec<Paused> {
        self.store(None).repo.paused().unwrap()
    }

    fn abort(&self, fault: Option<&str>) -> Result<abort::Done, Refused> {
        let store = self.store(fault);
        let paused = store.repo.paused()?.into_iter().next().expect("something is half done");
        abort::perform(&store, &abort::plan(&store, paused)?)
    }

    fn look(&self) -> String {
        self.sh(LOOK).replace(&self.dir.path().display().to_string(), "")
    }
}

fn sh(dir: &Path, home: &Path, script: &str) -> String {
    let out = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("LC_ALL", "C")
        .envs(SETTINGS)
        .output()
        .unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn as_git(flags: &str, linked: bool, after: &str) {
    for (name, kind, begin, end) in STATES {
        let begin = format!("{begin}; {after}");
        let (theirs, ours) = (Scene::new(flags, linked, &begin), Scene::new(flags, linked, &begin));
        let before = ours.look();
        assert_eq!(before, theirs.look(), "{name}: the same twice");
        let paused = ours.paused();
        assert_eq!(paused.first().map(|p| p.kind), Some(kind), "{name}: {paused:?}");
        theirs.sh(end);
        ours.abort(None).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (found, expected) = (ours.look(), theirs.look());
        assert_ne!(found, before, "{name}: something happened");
        assert_eq!(found, expected, "{name}");
        assert_eq!(
            ours.paused(),
            theirs
                .paused()
                .into_iter()
                .map(|p| Paused { worktree: ours.work.clone(), git_dir: ours.store(None).repo.git_dir().into(), ..p })
                .collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[test]
fn giving_up_is_what_git_does() {
    as_git("", false, "");
}

#[test]
fn giving_up_in_a_linked_checkout_is_what_git_does() {
    as_git("", true, "git gc -q --prune=now");
}

#[test]
fn giving_up_with_sha_256_is_what_git_does() {
    as_git("--object-format=sha256", false, "");
}

#[test]
fn giving_up_with_refs_in_tables_is_what_git_does() {
    as_git("--ref-format=reftable", true, "");
}

/// Changed files beside what is under way, in its way, and untracked ones where a file has to come.
const AT_RISK: &str = "
    git switch -q topic; echo gone >doomed; git add doomed; git commit -qm doomed; git rebase main
    echo mine >late; echo untracked >beside; echo 'half resolved' >f; echo mine >>other; echo in the way >doomed; rm g
";

#[test]
fn nothing_that_is_at_risk_is_lost() {
    let s = Scene::new("", false, AT_RISK);
    let plan = {
        let store = s.store(None);
        abort::plan(&store, s.paused().remove(0)).unwrap()
    };
    assert_eq!(plan.back.overwritten, ["doomed", "f", "other"]);
    assert_eq!(plan.back.kept, ["late"]);
    let before = s.look();
    assert_eq!(before, s.look(), "a plan touches nothing");
    let done = s.abort(None).unwrap();
    let read = |path: &str| fs::read_to_string(s.work.join(path)).unwrap();
    assert_eq!(
        (read("late"), read("beside")),
        ("mine\n".into(), "untracked\n".into()),
        "git would have wiped the first"
    );
    assert_eq!((read("f"), read("doomed")), ("one\nTOPIC\nthree\n".into(), "gone\n".into()));
    let kept = |part: &str, path: &str| s.sh(&format!("git show {}{part}:{path}", done.rescue.prefix));
    assert_eq!(kept("work", "late"), "mine\n");
    assert_eq!(kept("work", "f"), "half resolved\n");
    assert_eq!(kept("work", "other"), "other\nmine\n");
    assert_eq!(kept("work", "doomed"), "in the way\n");
    assert_eq!(kept("base", "f"), "one\ntwo\nthree\n");
    assert_eq!((kept("ours", "f"), kept("theirs", "f")), ("one\nMAIN\nthree\n".into(), "one\nTOPIC\nthree\n".into()));
    assert_eq!(kept("state", "rebase-merge/head-name"), "refs/heads/topic\n");
    assert_eq!(s.sh("git status --porcelain"), " M late\n?? beside\n");
    s.sh("git fsck --strict || echo damaged >damaged");
    assert!(!s.work.join("damaged").exists());
}

#[test]
fn a_death_at_any_point_is_gone_on_from() {
    let begin = "git switch -q topic; echo mine >late; echo x >added; git add added; git rebase --autostash main";
    let series = "git cherry-pick topic topic~1";
    for script in [begin, series, "git bisect start HEAD HEAD~2", "git cherry-pick topic~1"] {
        let whole = Scene::new("", false, script);
        whole.abort(None).unwrap();
        for point in ["mend.rescue.after", "mend.files.after", "mend.head.after", "mend.stash.after", "mend.state.mid"]
        {
            let s = Scene::new("", false, script);
            s.abort(Some(&format!("{point}:1:eio"))).unwrap_err();
            assert!(!s.paused().is_empty(), "{script}: {point}: git still says so");
            s.abort(None).unwrap_or_else(|e| panic!("{script}: {point}: {e}"));
            // Only the reflog tells that it was tried twice.
            let state = |scene: &Scene| -> Vec<String> {
                scene
                    .look()
                    .lines()
                    .filter(|l| {
                        !l.contains("(abort): returning")
                            && !l.contains("reset: moving")
                            && !l.contains("checkout: moving")
                    })
                    .map(str::to_owned)
                    .collect()
            };
            assert_eq!(state(&s), state(&whole), "{script}: {point}");
        }
    }
}

#[test]
fn a_conflict_of_nothing_known_goes_back_path_by_path() {
    let s = Scene::new(
        "",
        false,
        "echo mine >f; echo mine >late; git stash -q; echo other >f; git commit -qam other; git stash pop",
    );
    let paused = s.paused();
    assert_eq!(
        (paused.len(), paused[0].kind, paused[0].unmerged.as_slice()),
        (1, PausedKind::Unmerged, &["f".into()][..])
    );
    s.abort(None).unwrap();
    assert_eq!(s.sh("git status --porcelain"), "M  late\n", "what came in without a conflict stays");
    assert_eq!(fs::read_to_string(s.work.join("f")).unwrap(), "other\n");
    assert_eq!(s.sh("git stash list").lines().count(), 1);
}

#[test]
fn what_was_stashed_becomes_an_entry_where_something_stands_in_its_way() {
    let begin = "git switch -q topic; echo mine >late; git rebase --autostash main; echo again >late";
    let s = Scene::new("", false, begin);
    assert!(matches!(s.abort(None).unwrap().stashed, abort::Stashed::Kept(_)));
    assert_eq!(fs::read_to_string(s.work.join("late")).unwrap(), "again\n");
    assert_eq!(s.sh("git show stash@{0}:late"), "mine\n");
    assert!(s.paused().is_empty());
}

#[test]
fn filters_and_sparse_checkouts_are_left_to_git() {
    let filter = "git config filter.x.smudge 'touch ran; cat'; echo 'f filter=x' >.git/info/attributes; git merge topic; rm -f ran";
    let s = Scene::new("", false, filter);
    let e = s.abort(None).unwrap_err();
    assert!(matches!(&e, Refused::Filtered { driver, .. } if driver == "x"), "{e}");
    assert!(!s.work.join("ran").exists(), "no program was run");
    let s = Scene::new("", false, "git sparse-checkout set --cone dir; git merge topic");
    assert!(matches!(s.abort(None).unwrap_err(), Refused::Sparse { .. }));
}

#[test]
fn line_ends_are_those_that_git_would_write() {
    let begin = "git config core.autocrlf true; git rm -q --cached -r .; git reset -q --hard; git merge topic";
    let (theirs, ours) = (Scene::new("", false, begin), Scene::new("", false, begin));
    theirs.sh("git merge --abort");
    ours.abort(None).unwrap();
    assert_eq!(fs::read(ours.work.join("f")).unwrap(), b"one\r\nMAIN\r\nthree\r\n");
    assert_eq!(ours.look(), theirs.look());
}

#[test]
fn every_checkout_is_looked_at_and_a_bare_repository_does_no_harm() {
    let s = Scene::new("", true, "git merge topic");
    s.sh("cd ../main && git cherry-pick topic~1");
    let all: Vec<Paused> = s.store(None).repo.checkouts().unwrap().iter().flat_map(|r| r.paused().unwrap()).collect();
    let kinds: Vec<PausedKind> = all.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [PausedKind::CherryPick, PausedKind::Merge]);
    let bare = s.dir.path().join("bare");
    s.sh("git clone -q --bare ../main ../bare");
    let repo = Repo::open(&bare).unwrap();
    assert!(repo.paused().unwrap().is_empty() && repo.checkouts().unwrap().is_empty());
    s.sh("touch .git-x; touch \"$(git rev-parse --absolute-git-dir)/index.lock\"");
    let locks = s.store(None).repo.lock_files().unwrap();
    assert_eq!(locks.len(), 1);
    assert!(locks[0].path.ends_with("index.lock") && locks[0].since.is_some() && !locks[0].ours);
    let e = s.abort(None).unwrap_err();
    assert!(e.to_string().contains("is locked"), "{e}");
}
