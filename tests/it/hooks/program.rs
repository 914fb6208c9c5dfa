//! The hook that is a program: what it does by itself, beside the script that stands elsewhere, and where it stands.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::Stdio,
};

use git_otto::base::Sha256;

use super::*;

/// Who does what the hook has to do.
const SCRIPT: &str = include_str!("../../../hooks/reference-transaction.sh");

/// What a program or script is asked, and by whom.
struct Asked {
    t: Team,
    hook: PathBuf,
    /// PATH with what notes that it is asked.
    path: String,
}

impl Asked {
    fn new() -> Asked {
        let t = Team { s: Sandbox::new() };
        let notes = "#!/bin/sh\necho \"$@\" > \"$HOME/asked\"\n[ -n \"$DEAF\" ] || cat > \"$HOME/read\"\n\
                     [ -z \"$SIGNAL\" ] || kill -\"$SIGNAL\" $$\nexit \"${STATUS:-0}\"\n";
        t.s.script("bin/git-otto", notes);
        let path = format!("{}:/usr/bin:/bin", t.s.path("bin").display());
        Asked { hook: PathBuf::new(), t, path }
    }

    /// The program; none where it cannot be made, or the sandbox is on another machine's disk.
    fn program() -> Option<Asked> {
        let mut asked = Asked::new();
        asked.t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
        asked.hook = installed(&asked.t);
        is_program(&asked.hook).then_some(asked)
    }

    fn script() -> Asked {
        let mut asked = Asked::new();
        let text = SCRIPT.replace("@NAME@", "reference-transaction").replace("@NEXT@", ":");
        asked.hook = asked.t.s.script("script", &text);
        asked
    }

    fn command(&self, step: &str, vars: &[(&str, &str)]) -> Command {
        let mut command = self.t.s.command(&self.hook, "repo");
        command.arg(step).env("PATH", &self.path).envs(vars.iter().copied());
        command
    }

    /// Its answer, what was asked, and whether all of the input was handed on.
    fn answers(&self, step: &str, input: &str, vars: &[(&str, &str)]) -> (Output, Option<String>, bool) {
        let notes = ["home/asked", "home/read"].map(|name| self.t.s.path(name));
        notes.iter().for_each(|note| drop(fs::remove_file(note)));
        let said = self.t.s.spawn(&mut self.command(step, vars), Some(input.as_bytes())).wait();
        let [asked, read] = notes.map(|note| fs::read_to_string(note).ok());
        (said, asked, read.is_some_and(|read| read == input))
    }
}

/// The hook where the installation put it.
fn installed(t: &Team) -> PathBuf {
    let folder = if configured() { ".git/otto/hooks" } else { ".git/hooks" };
    t.s.repo().join(folder).join("reference-transaction")
}

/// Whether a hook is a program. That it is one everywhere is required where `GIT_OTTO_REQUIRE_HOOK_PROGRAM` is set.
fn is_program(hook: &Path) -> bool {
    let is = fs::read(hook).unwrap().starts_with(b"\x7fELF");
    let required = std::env::var_os("GIT_OTTO_REQUIRE_HOOK_PROGRAM").is_some();
    assert!(is || !required, "a script: no static program can be linked, or TMPDIR is on no disk of this machine's");
    if !is {
        eprintln!("the hook is a script here, and the program not tested");
    }
    is
}

const ZERO: &str = "0000000000000000000000000000000000000000";

/// Lines of git's own, at least ten million bytes of them.
fn many() -> String {
    (0..90_000).map(|n| format!("{ZERO} {ZERO} refs/heads/a/branch/with/a/name-{n}\n")).collect()
}

#[test]
fn the_program_and_the_script_ask_for_the_same_and_pass_the_answer_on() {
    let line = |name: &str| format!("{ZERO} {ZERO} {name}\n");
    let ours = line("refs/otto/specs/word");
    let few = [line("HEAD"), line("refs/heads/main"), ours.clone()].concat();
    let late = many() + &ours;
    assert!(late.len() > 10_000_000);
    for hook in [Asked::program(), Some(Asked::script())].into_iter().flatten() {
        let what = hook.hook.display();
        for (step, input) in [
            ("prepared", String::new()),
            ("prepared", line("refs/heads/main")),
            ("prepared", line("refs/heads/refs/otto/specs/word")),
            ("prepared", line("refs/ottoman/specs/word")),
            ("prepared", line("refs/notes/commits")),
            ("prepared", "refs/otto/specs/word\n".into()),
            ("prepared", format!("ref:refs/otto/x {ZERO} HEAD\n")),
            ("prepared", "no line at all".into()),
            ("prepared", many()),
            ("preparing", ours.clone()),
            ("committed", ours.clone()),
            ("aborted", late.clone()),
            ("", ours.clone()),
        ] {
            let (said, asked, _) = hook.answers(step, &input, &[("STATUS", "8")]);
            let silent = (said.code, said.stdout.as_str(), said.stderr.as_str()) == (0, "", "");
            assert!(silent && asked.is_none(), "{what} {step} {:.99}: {said}", input);
        }
        let cased = ["refs/OTTO/specs/word", "refs/notes/Otto/x"].map(line);
        for input in [&ours, &few, &late, &cased[0], &cased[1]] {
            for (vars, code) in [
                (&[("STATUS", "0")], 0),
                (&[("STATUS", "8")], 8),
                (&[("STATUS", "255")], 255),
                (&[("SIGNAL", "KILL")], 137),
            ] {
                let (said, asked, read) = hook.answers("prepared", input, vars);
                assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{what} {vars:?}: {said}");
                assert_eq!(asked.as_deref(), Some("hook reference-transaction prepared\n"), "{what}: {said}");
                assert!(read, "{what}: what git says is handed on");
            }
        }
        // It may answer without listening.
        let (said, _, _) = hook.answers("prepared", &late, &[("DEAF", "1"), ("STATUS", "3")]);
        assert_eq!(said.code, 3, "{what}: {said}");
        // Without the program a line is said, and work goes on.
        for (input, line) in [(&ours, "git-otto is not on PATH: specs were not checked\n"), (&line("refs/x"), "")] {
            for path in ["/usr/bin:/bin", "/no such folder:/usr/bin"] {
                let (said, _, _) = hook.answers("prepared", input, &[("PATH", path)]);
                assert_eq!((said.code, said.stderr.as_str()), (0, line), "{what}: {said}");
            }
        }
    }
}

#[test]
fn the_program_needs_no_pipes() {
    let Some(hook) = Asked::program() else { return };
    // What is closed: standard input, then all; and a directory as input, which cannot be read.
    let program = hook.hook.display();
    for (script, code) in [
        (format!("'{program}' prepared <&-"), 0),
        (format!("'{program}' prepared <&- >&- 2>&-"), 0),
        (format!("PATH=; echo 'a b refs/otto/x' | '{program}' prepared >&- 2>&-"), 0),
        (format!("'{program}' prepared < ."), 1),
    ] {
        let said = hook.t.sh("repo", &script, &[]);
        assert_eq!(said.code, code, "{script}: {said}");
    }
    // Nobody listens to its one line.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = hook.command("prepared", &[("PATH", "")]).stdin(Stdio::piped()).stderr(writer).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a b refs/otto/x\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // At another step it does not wait for what nobody writes.
    let mut child = hook.command("committed", &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let held = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(held);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn the_program_is_told_by_its_digest_and_replaces_older_ones() {
    let t = Team::new();
    let told = t.otto("repo", &["hooks", "install", "--dry-run"]).exits(0).stdout;
    t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
    let hook = installed(&t);
    if !is_program(&hook) {
        return;
    }
    let bytes = fs::read(&hook).unwrap();
    let digest = Sha256::of(&bytes);
    assert!(told.contains(&format!("+({} bytes, not text, SHA-256 {digest})\n+# git-otto: ", bytes.len())), "{told}");
    assert!(told.contains("hooks/reference-transaction.rs of git-otto"), "{told}");
    // As an earlier version would have left it: a script, or another program.
    let record = t.s.repo().join(".git/otto/hooks/installed.json");
    for old in [SCRIPT.as_bytes().to_vec(), bytes.iter().copied().chain(*b"# older\n").collect()] {
        fs::write(&hook, &old).unwrap();
        let text = fs::read_to_string(&record).unwrap();
        fs::write(&record, text.replace(&digest.to_string(), &Sha256::of(&old).to_string())).unwrap();
        t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
        assert_eq!(Sha256::of(fs::read(&hook).unwrap()), digest);
        all_answer(&t, "repo");
    }
    t.otto("repo", &["hooks", "uninstall", "--yes"]).exits(0);
    assert!(!hook.exists() && !record.exists());
}

#[test]
fn beside_another_hook_the_script_stands_and_calls_it() {
    let t = Team::new();
    t.s.script("repo/.git/hooks/reference-transaction", "#!/bin/sh\n[ $1 != prepared ] || cat >> \"$HOME/called\"\n");
    t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
    all_answer(&t, "repo");
    t.git("repo", &["update-ref", "refs/heads/new", "HEAD"]).exits(0);
    let refused = t.git("repo", &["update-ref", "-d", "refs/otto/specs/word"]);
    assert!(refused.code != 0 && refused.stderr.contains("refused:"), "{refused}");
    assert!(fs::read_to_string(t.s.path("home/called")).unwrap().contains(" refs/heads/new\n"));
    assert_eq!(fs::read(installed(&t)).unwrap().starts_with(b"#!/bin/sh\n# git-otto: "), !configured());
    // Once theirs is gone for good, the program can stand there.
    t.otto("repo", &["hooks", "uninstall", "--yes"]).exits(0);
    fs::remove_file(t.s.path("repo/.git/hooks/reference-transaction")).unwrap();
    t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
    is_program(&installed(&t));
    all_answer(&t, "repo");
}
