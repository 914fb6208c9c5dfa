//! What the documents tell people to type: every console block of a document is one session in an empty HOME, and what it
//! prints is what stands there.

use std::{fs, path::Path};

use super::support::Sandbox;

/// A command of a document, and what stands below it.
struct Step {
    command: String,
    prints: Vec<String>,
}

/// The commands of all console blocks, in their order.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match (line.strip_prefix("$ "), line.strip_prefix('>'), steps.last_mut()) {
                (Some(command), ..) => steps.push(Step { command: command.into(), prints: Vec::new() }),
                (None, Some(more), Some(step)) => {
                    step.command += &format!("\n{}", more.strip_prefix(' ').unwrap_or(more));
                }
                (.., Some(step)) => step.prints.push(line.into()),
                (.., None) => panic!("a block begins with a command: {line}"),
            },
            (false, _) => {}
        }
    }
    steps
}

/// Whether a line is as it is shown: `…` stands for anything.
fn is_line(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        (rest, last) = (after, Some(part));
    }
    rest.is_empty() || last == Some("")
}

/// Whether lines are as they are shown: a line of `…` alone stands for any lines.
fn are_lines(shown: &[&str], lines: &[&str]) -> bool {
    match shown {
        [] => lines.is_empty(),
        ["…", rest @ ..] => (0..=lines.len()).any(|n| are_lines(rest, &lines[n..])),
        [first, rest @ ..] => lines.first().is_some_and(|l| is_line(first, l)) && are_lines(rest, &lines[1..]),
    }
}

/// Types a document's commands in one shell, in a folder of its own and an empty HOME.
fn session(document: &str) -> Sandbox {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(document);
    let steps = steps(&fs::read_to_string(path).unwrap());
    assert!(steps.len() > 5, "{document} has {} commands", steps.len());
    let s = Sandbox::without_identity();
    let place = |n: usize, what: &str| s.path(format!("tmp/{n}.{what}"));
    let one = |(n, step): (usize, &Step)| {
        let [out, err, code] = ["out", "err", "code"].map(|what| place(n, what).display().to_string());
        format!("{{\n{}\n}} </dev/null >'{out}' 2>'{err}'; echo $? >'{code}'\n", step.command)
    };
    let script: String = steps.iter().enumerate().map(one).collect();
    let program = Path::new(env!("CARGO_BIN_EXE_git-otto"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    s.spawn(s.command("sh", "").args(["-c", &script]).env("PATH", path), None).wait().exits(0);
    for (n, Step { command, prints }) in steps.iter().enumerate() {
        let [out, err, code] = ["out", "err", "code"].map(|what| fs::read_to_string(place(n, what)).unwrap());
        let said = format!("{document}: {command}\nexit {code}-- stdout\n{out}-- stderr\n{err}");
        let wanted = prints.iter().find_map(|l| l.strip_prefix("[exit ")?.strip_suffix(']'));
        assert_eq!(code.trim(), wanted.unwrap_or("0"), "{said}");
        let (told, shown): (Vec<&str>, Vec<&str>) = prints
            .iter()
            .map(String::as_str)
            .filter(|l| !l.starts_with("[exit "))
            .partition(|l| l.starts_with("error: "));
        assert!(told.iter().all(|t| err.lines().any(|l| is_line(t, l))), "{said}");
        let lines: Vec<&str> = out.lines().collect();
        assert!(shown.is_empty() || are_lines(&shown, &lines), "what it prints is not what stands there\n{said}");
    }
    s
}

#[test]
fn the_tutorial_is_as_it_says() {
    let s = session("tutorial.md");
    assert!(s.otto_in("hello", &["run", "hello.md"]).exits(0).stderr.contains("nothing changed since it passed"));
}

#[test]
fn the_walk_through_a_project_that_lives_is_as_it_says() {
    let s = session("walk.md");
    s.otto_in("shop", &["verify", "--all"]).exits(0);
}

#[test]
fn shown_lines_are_told_from_others() {
    assert!(is_line("a … c", "a b c") && is_line("a …", "a ") && is_line("…", "") && is_line("…z", "az"));
    assert!(!is_line("a … c", "a b d") && !is_line("a", "ab") && !is_line("a…b", "a"));
    assert!(are_lines(&["a", "…", "b"], &["a", "x", "y", "b"]) && are_lines(&["…"], &[]));
    assert!(!are_lines(&["a"], &["a", "b"]) && !are_lines(&["a", "…", "b"], &["a"]));
}
