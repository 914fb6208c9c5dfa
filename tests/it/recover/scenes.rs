//! Every state in which git stops halfway, each built by real git, once: whoever tries something takes a copy.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The editor of those who change nothing.
const NO_EDITOR: &str = ":";

/// A state, and what git itself offers to get out of it.
pub struct Scene {
    /// Its name.
    pub name: &'static str,
    /// How git comes to stop there, begun with a clean checkout.
    script: &'static str,
    /// The way back.
    pub abort: &'static str,
    /// The way on once everything is resolved; none where nothing is left to go on with.
    pub go_on: Option<&'static str>,
}

const fn scene(name: &'static str, script: &'static str, abort: &'static str, go_on: &'static str) -> Scene {
    Scene { name, script, abort, go_on: if go_on.is_empty() { None } else { Some(go_on) } }
}

/// The way back where nothing but the index says that something is half done.
const BY_PATH: &str = "git diff --name-only --diff-filter=U | xargs git checkout -q HEAD --";

/// All of them.
pub const SCENES: [Scene; 44] = [
    scene("merge", "on ours; stops git merge theirs", "git merge --abort", "git merge --continue"),
    scene("merge-edges", "on edge-a; stops git merge edge-b", "git merge --abort", "git merge --continue"),
    scene("merge-clean", "on ours; git merge -q --no-commit clean", "git merge --abort", "git merge --continue"),
    scene(
        "merge-octopus",
        "on ours; git merge -q --no-commit clean other",
        "git merge --abort",
        "git merge --continue",
    ),
    scene(
        "merge-autostash",
        "on ours; echo mine >>b.txt; stops git merge --autostash theirs",
        "git merge --abort",
        "git merge --continue",
    ),
    scene("squash", "on ours; git merge -q --squash clean", "git reset -q --merge", ""),
    scene("squash-conflict", "on ours; stops git merge --squash theirs", "git reset -q --merge", ""),
    scene("rebase", "on theirs; stops git rebase ours", "git rebase --abort", "git rebase --continue"),
    scene(
        "rebase-detached",
        "git checkout -q --detach theirs; stops git rebase ours",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene(
        "rebase-edit",
        "on theirs; todo 's/^pick/edit/'; git rebase -q -i base",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene(
        "rebase-break",
        "on theirs; todo '1a\\\nbreak'; git rebase -q -i base",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene(
        "rebase-exec",
        "on theirs; stops git rebase -x 'test -e four.txt' theirs~3 --onto clean",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene(
        "rebase-fixup",
        "on theirs; todo '2s/^pick/squash/'; stops git rebase -i ours~1",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene(
        "rebase-merges",
        "on theirs; git merge -q --no-edit clean; stops git rebase -r ours",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene(
        "rebase-update-refs",
        "on theirs; git branch -f half theirs~1; stops git rebase --update-refs ours",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene(
        "rebase-autostash",
        "on theirs; echo mine >>b.txt; stops git rebase --autostash ours",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene("rebase-apply", "on theirs; stops git rebase --apply ours", "git rebase --abort", "git rebase --continue"),
    scene(
        "rebase-apply-autostash",
        "on theirs; echo mine >>b.txt; stops git rebase --apply --autostash ours",
        "git rebase --abort",
        "git rebase --continue",
    ),
    scene("pick", "on ours; stops git cherry-pick theirs~3", "git cherry-pick --abort", "git cherry-pick --continue"),
    scene(
        "pick-of-merge",
        "on theirs; git merge -q --no-edit clean; git tag merged; on ours; stops git cherry-pick -x -m 2 merged",
        "git cherry-pick --abort",
        "git cherry-pick --continue",
    ),
    scene(
        "pick-first",
        "on ours; stops git cherry-pick base..theirs",
        "git cherry-pick --abort",
        "git cherry-pick --continue",
    ),
    scene(
        "pick-later",
        "on ours; stops git cherry-pick theirs~3..theirs",
        "git cherry-pick --abort",
        "git cherry-pick --continue",
    ),
    scene(
        "pick-by-hand",
        "on ours; stops git cherry-pick base..theirs; git add -A; git commit -q --no-edit",
        "git cherry-pick --abort",
        "git cherry-pick --continue",
    ),
    scene("pick-n-conflict", "on ours; stops git cherry-pick -n theirs~3", BY_PATH, ""),
    scene("revert", "mine; stops git revert --no-edit theirs~3", "git revert --abort", "git revert --continue"),
    scene(
        "revert-first",
        "mine; stops git revert --no-edit theirs~3 theirs",
        "git revert --abort",
        "git revert --continue",
    ),
    scene(
        "revert-later",
        "mine; stops git revert --no-edit base..theirs",
        "git revert --abort",
        "git revert --continue",
    ),
    scene(
        "revert-by-hand",
        "mine; stops git revert --no-edit theirs~3 theirs; git add -A; git commit -q --no-edit",
        "git revert --abort",
        "git revert --continue",
    ),
    scene("am", "on ours; stops git am ../patches/0001*", "git am --abort", "git am --continue"),
    scene(
        "am-3way",
        "on ours; stops git am -3 ../patches/0001* ../patches/0002*",
        "git am --abort",
        "git am --continue",
    ),
    scene("am-later", "on ours; stops git am -3 ../patches/000[234]*", "git am --abort", "git am --continue"),
    scene("am-no-patch", "on ours; stops git am ../patches/none", "git am --abort", "git am --continue"),
    scene("bisect", "hooks; on theirs; git bisect start theirs base >../said", "git bisect reset", ""),
    scene(
        "bisect-detached",
        "git checkout -q --detach theirs; git bisect start theirs base >../said; git bisect good >../said",
        "git bisect reset",
        "",
    ),
    scene(
        "bisect-no-checkout",
        "hooks; on theirs; git bisect start --no-checkout theirs base >../said",
        "git bisect reset",
        "",
    ),
    scene(
        "stash-pop",
        "on base; sed 's/2/mine 2/' a.txt >../a; mv ../a a.txt; git stash -q; git checkout -q -B work ours; stops git stash pop",
        BY_PATH,
        "",
    ),
    scene("merge-hooks", "hooks; on ours; stops git merge theirs", "git merge --abort", "git merge --continue"),
    scene("rebase-hooks", "hooks; on theirs; stops git rebase ours", "git rebase --abort", "git rebase --continue"),
    scene("am-hooks", "hooks; on ours; stops git am -3 ../patches/0001*", "git am --abort", "git am --continue"),
    scene("merge-rerere", "rerere; on ours; stops git merge theirs", "git merge --abort", "git merge --continue"),
    scene("rebase-rerere", "rerere; on theirs; stops git rebase ours", "git rebase --abort", "git rebase --continue"),
    scene("am-rerere", "rerere; on ours; stops git am -3 ../patches/0001*", "git am --abort", "git am --continue"),
    scene(
        "am-unborn",
        "git checkout -q --orphan work; git rm -r -q -f .; stops git am ../patches/0001*",
        "git am --abort",
        "git am --continue",
    ),
    scene("apply", "on ours; git diff base theirs~3 >../a; stops git apply -3 ../a", BY_PATH, ""),
];

/// Has everything that is in conflict be as it stands.
pub const RESOLVE: &str = "git diff --name-only --diff-filter=U | sort -u >../u; xargs git add -A -- <../u";

/// What every script begins with.
const WORDS: &str = r#"
set -eu
on() { git checkout -q -B work "$1"; }
stops() { if "$@" >../said 2>&1; then echo "did not stop: $*"; exit 1; fi; }
todo() { export GIT_SEQUENCE_EDITOR="f() { sed '$1' \"\$1\" >../todo; cp ../todo \"\$1\"; }; f"; }
rerere() { git config rerere.enabled true; }
hooks() {
    common=$(git rev-parse --git-common-dir)
    mkdir -p "$common/hooks"
    for hook in pre-commit prepare-commit-msg commit-msg post-commit pre-merge-commit post-merge post-rewrite post-checkout \
        pre-rebase applypatch-msg pre-applypatch post-applypatch; do
        printf '#!/bin/sh\necho %s "$@" >>"$(git rev-parse --git-common-dir)/hooks-said"\n' $hook >"$common/hooks/$hook"
        chmod +x "$common/hooks/$hook"
    done
}
mine() { on theirs; sed 's/theirs 2/mine 2/' a.txt >../a; mv ../a a.txt; git commit -q -a -m 'Mine'; }
"#;

/// The histories that all of them need.
const HISTORY: &str = r#"
git init -q -b main --template= $FORMAT repo
cd repo
by() { export GIT_AUTHOR_NAME="$1" GIT_AUTHOR_EMAIL="$2"; }
put() { mkdir -p "$(dirname "$1")"; printf "$2" >"$1"; }
sub() { sed "$1" "$2" >../a; cat ../a >"$2"; }
all() { git add -A; git commit -q -F -; }
by 'Ann Author' ann@example.org
put a.txt '1\n2\n3\n4\n5\n6\n7\n8\n9\n'; put b.txt 'b\n'; put dir/c.txt 'c\n'; put gone.txt 'gone\n'; put quiet.txt 'quiet\n'
put run.sh 'exit 0\n'; chmod +x run.sh; ln -s a.txt link; put .gitignore '*.ignored\n'
all <<E
Begin
E
git branch base
git checkout -q -b ours; sub 's/2/ours 2/' a.txt; put ours.txt 'ours\n'
all <<E
Ours one
E
put dir/c.txt 'ours c\n'
all <<E
Ours two
E
by 'Tom Theirs' tom@example.org
git checkout -q -b theirs base; sub 's/2/theirs 2/' a.txt
all <<E
Theirs one

  With a body.

Reviewed-by: Rob <rob@example.org>
E
put theirs.txt 'theirs\n'; chmod -x run.sh; git rm -q gone.txt
all <<E
Theirs two
E
put dir/c.txt 'theirs c\n'
all <<E
Theirs three
E
put four/four.txt 'four\n'; put four.txt 'four\n'; rm link; ln -s b.txt link
all <<E
Theirs four
E
git checkout -q -b clean base; sub 's/9/clean 9/' a.txt; git rm -q gone.txt; put clean/clean.txt 'clean\n'
all <<E
Clean
E
git checkout -q -b other base; put other.txt 'other\n'
all <<E
Other
E
git checkout -q -b edge-a base; put gone.txt 'kept\n'; put new.txt 'a\n'; git mv b.txt bee.txt; put d 'a file\n'
all <<E
Edges of one side
E
git checkout -q -b edge-b base; git rm -q gone.txt; put new.txt 'b\n'; put b.txt 'b\nb\n'; mkdir d; git mv dir/c.txt d/c.txt
all <<E
Edges of the other side
E
git checkout -q main
git worktree add -q --detach ../linked
git format-patch -q -o ../patches base..theirs
printf 'From: Nobody <nobody@example.org>\nSubject: No patch\n\nNothing.\n' >../patches/none
"#;

/// Where scenes lie, and in what they are played.
pub struct Stage {
    root: tempfile::TempDir,
}

/// One copy of a repository with its linked checkout.
pub struct Copy {
    /// The folder of all that belongs to it.
    pub root: PathBuf,
    /// The checkout that is played in.
    pub work: PathBuf,
    /// Its git folder.
    pub git_dir: PathBuf,
    /// Which checkout that is.
    pub place: Place,
}

/// Which checkout is played in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The main one.
    Main,
    /// One beside it.
    Linked,
    /// One of a bare repository.
    Bare,
}

impl Stage {
    /// The histories, in each format of objects and refs.
    pub fn new() -> Stage {
        let root = tempfile::Builder::new().prefix("otto-it-recover-").tempdir().unwrap();
        let stage = Stage { root };
        fs::create_dir(stage.path("home")).unwrap();
        let user =
            "[user]\n\tname = Ann Author\n\temail = ann@example.org\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
        fs::write(stage.path("home/.gitconfig"), format!("{user}[advice]\n\tmergeConflict = false\n")).unwrap();
        let formats = [
            ("sha1", "--object-format=sha1"),
            ("sha256", "--object-format=sha256"),
            ("reftable", "--ref-format=reftable"),
        ];
        for (format, flag) in formats {
            let dir = stage.path(format);
            fs::create_dir(&dir).unwrap();
            let mut command = stage.shell(&dir, &format!("set -eu\n{HISTORY}"));
            command.env("FORMAT", flag);
            done(command.envs(DATES), "the histories");
        }
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Plays a scene in a new copy.
    pub fn play(&self, scene: &Scene, format: &str, place: Place, name: &str) -> Copy {
        let copy = self.copy_of(&self.path(format), place, name);
        if place == Place::Bare {
            let bare = "git config core.bare true; find . -mindepth 1 -maxdepth 1 -not -name .git -exec rm -r {} +; rm .git/index";
            done(&mut self.shell(&copy.root.join("repo"), bare), "no checkout");
        }
        let script = format!("{WORDS}{}", scene.script);
        done(self.shell(&copy.work, &script).envs(DATES), scene.name);
        copy
    }

    /// A copy of a copy.
    pub fn copy(&self, of: &Copy, name: &str) -> Copy {
        self.copy_of(&of.root, of.place, name)
    }

    /// A copy that was made before.
    pub fn found(&self, name: &str, place: Place) -> Copy {
        let root = self.path(name);
        let (work, git_dir) = match place {
            Place::Main => (root.join("repo"), root.join("repo/.git")),
            Place::Linked | Place::Bare => (root.join("linked"), root.join("repo/.git/worktrees/linked")),
        };
        Copy { root, work, git_dir, place }
    }

    fn copy_of(&self, from: &Path, place: Place, name: &str) -> Copy {
        let root = self.path(name);
        let made = Command::new("cp").arg("-a").args([from, &root]).status().unwrap();
        assert!(made.success(), "cp -a {} {}", from.display(), root.display());
        let admin = root.join("repo/.git/worktrees/linked");
        fs::write(admin.join("gitdir"), format!("{}\n", root.join("linked/.git").display())).unwrap();
        fs::write(root.join("linked/.git"), format!("gitdir: {}\n", admin.display())).unwrap();
        let copy = self.found(name, place);
        // The index knows other files by these names.
        let _ = self.shell(&copy.work, "git update-index -q --refresh --unmerged").output().unwrap();
        copy
    }

    /// A script in the environment of the user, whose editor changes nothing.
    pub fn shell(&self, dir: &Path, script: &str) -> Command {
        let mut command = self.command("sh", dir);
        command.args(["-c", script]);
        command
    }

    /// The built program.
    pub fn otto(&self, copy: &Copy, args: &[&str]) -> Output {
        self.program(copy, args).output().unwrap()
    }

    /// The same, about to be started.
    pub fn program(&self, copy: &Copy, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_git-otto"), &copy.work);
        command.args(args);
        command
    }

    fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path("home"));
        // A zone that nobody takes for UTC.
        command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C"), ("TZ", "XYZ-05:30"), ("GIT_EDITOR", NO_EDITOR)]);
        command
    }
}

/// When what is built before anything is tried was written: long ago.
const DATES: [(&str, &str); 2] = [("GIT_AUTHOR_DATE", "1577934245 +0200"), ("GIT_COMMITTER_DATE", "1577934245 +0200")];

/// Runs a command that has to succeed.
#[track_caller]
pub fn done(command: &mut Command, what: &str) -> String {
    let out = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{what}: {}{}", text(&out.stdout), text(&out.stderr));
    text(&out.stdout)
}
