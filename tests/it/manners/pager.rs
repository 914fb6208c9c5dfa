//! Pager and colour, as git has them.

use crate::support::{EXAMPLE, Sandbox};

#[test]
fn long_answers_go_through_the_pager_on_a_terminal_alone() {
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    s.otto(&["compile", "../jot.md"]).exits(0);
    let pager = ("PAGER", "sed -e \"s/^/$LESS:/\"");
    let log = |args: &[&str], vars: &[(&str, &str)]| s.seen(&[&["log", "jot"], args].concat(), vars).exits(0).stderr;
    assert!(log(&[], &[pager]).starts_with("FRX:"), "{}", log(&[], &[pager]));
    assert!(log(&[], &[pager, ("LESS", "R")]).starts_with("R:"));
    let git_pager = ("GIT_PAGER", "sed s/^/GIT:/");
    assert!(log(&[], &[pager, git_pager]).starts_with("GIT:"));
    let plain = log(&["--no-pager"], &[pager]);
    assert!(!plain.contains("FRX:") && plain.contains("@{0}"), "{plain}");
    assert_eq!(log(&["-P"], &[pager]), plain);
    assert_eq!(log(&[], &[("GIT_PAGER", "cat")]), plain);
    s.git(&["config", "core.pager", "sed s/^/CORE:/"]);
    assert!(log(&[], &[pager]).starts_with("CORE:"));

    // Who leaves early, or has a pager that is none, is told nothing and gets the same exit code.
    assert_eq!(log(&[], &[("GIT_PAGER", "true")]), "");
    assert!(!s.otto_with(&["log", "jot"], &[git_pager], None).exits(0).stdout.contains("GIT:"));
    assert!(!s.seen(&["status"], &[git_pager]).exits(0).stderr.contains("GIT:"));
    s.seen(&["log", "nobody"], &[git_pager]).exits(2);
}

#[test]
fn colour_is_decided_by_option_then_environment_then_configuration() {
    let s = Sandbox::new();
    let colored = |args: &[&str], vars: &[(&str, &str)]| {
        let vars = [&[("GIT_PAGER", "cat")], vars].concat();
        let out = s.seen(&[&["config"], args].concat(), &vars).exits(0).stderr;
        out.contains("\u{1b}[")
    };
    assert!(colored(&[], &[]) && !colored(&["--color=never"], &[]) && !colored(&[], &[("NO_COLOR", "1")]));
    assert!(colored(&["--color=always"], &[("NO_COLOR", "1")]));
    s.git(&["config", "color.ui", "never"]);
    assert!(!colored(&[], &[]) && colored(&["--color=always"], &[]));
    s.git(&["config", "color.otto", "always"]);
    assert!(colored(&[], &[]) && !colored(&[], &[("NO_COLOR", "1")]));
    assert!(s.otto(&["config"]).exits(0).stdout.contains("\u{1b}["), "always is also where no terminal is");
    // Git has started the pager itself.
    s.git(&["config", "color.otto", "auto"]);
    assert!(s.otto_with(&["config"], &[("GIT_PAGER_IN_USE", "1")], None).exits(0).stdout.contains("\u{1b}["));
}
