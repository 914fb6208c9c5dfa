//! Changing a spec in the user's own editor. What they typed is never lost: until it is stored, it lies in a file.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    base::{
        Exit, Failure, Oid,
        procs::{self, Ended},
    },
    cli::{
        Start,
        revise::{Task, View},
        source,
    },
    intent,
    store::record::Kind,
};

/// What parts the reason from the spec, as in the messages of commits.
const CUT: &str = "# ------------------------ >8 ------------------------";
/// What the line with the version begins with.
const BASE: &str = "# base: ";

/// What stands above a spec that is being changed, and the spec.
pub struct Head {
    /// Why, as far as it was said.
    pub reason: String,
    /// The version that was changed.
    pub base: Option<Oid>,
    /// The spec; as many lines down as in the file, so that errors name the file's lines.
    pub body: Vec<u8>,
}

impl Head {
    /// Takes a file apart; one without these lines is a spec alone.
    pub fn of(bytes: &[u8]) -> Head {
        let whole = || Head { reason: String::new(), base: None, body: bytes.to_vec() };
        let Ok(text) = std::str::from_utf8(bytes) else { return whole() };
        let mut start = 0;
        let mut above = Vec::new();
        for line in text.split_inclusive('\n') {
            start += line.len();
            if line.trim_end() == CUT {
                let said: Vec<&str> = above.iter().filter(|l: &&&str| !l.starts_with('#')).copied().collect();
                let Some(base) = above.iter().find_map(|l| l.strip_prefix(BASE)?.trim().parse().ok()) else {
                    return whole();
                };
                let mut body = "\n".repeat(above.len() + 1);
                body.push_str(text.get(start..).unwrap_or_default());
                return Head { reason: said.join("\n").trim().to_owned(), base: Some(base), body: body.into_bytes() };
            }
            above.push(line.trim_end());
        }
        whole()
    }
}

/// A file with what somebody typed.
pub struct Kept(PathBuf);

impl Kept {
    /// It is stored: the file is not needed any more.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Opens the editor until what it leaves can be stored, or the user gives up.
pub fn change(start: &Start, task: &Task<'_>) -> Result<Exit, Failure> {
    let repo = &task.store.repo;
    let editor = chosen(start, task)?;
    let (view, text) = text(start, task)?;
    let dir = repo.common_dir().join("otto/edit");
    let suffix = if view == View::Json { "json" } else { "md" };
    let kept = Kept(dir.join(format!("{}-{}.{suffix}", task.id, start.world.ids.hex(6)?)));
    let cannot = |e: std::io::Error| Failure::new(Exit::Internal, format!("cannot write {}: {e}", kept.0.display()));
    fs::create_dir_all(&dir).and_then(|()| fs::write(&kept.0, &text)).map_err(cannot)?;
    loop {
        let opened = open(start, &editor, &kept.0);
        let typed = source::read(&kept.0)?;
        if typed == text.as_bytes() {
            kept.remove();
            opened?;
            start.ui.answer("unchanged: the editor left the spec as it is\n")?;
            return Ok(Exit::Done);
        }
        let name = kept.0.display().to_string();
        let done = opened.and_then(|()| {
            let proposal = task.read(start, &typed, &name, None)?;
            task.finish(start, proposal, Some(&kept))
        });
        let failure = match done {
            Ok(exit) => return Ok(exit),
            Err(failure) => failure,
        };
        let word = if task.manner.kind == Kind::Edit { "edit" } else { "amend" };
        let quoted = shlex::try_quote(&name).unwrap_or(name.as_str().into());
        let later = format!("nothing is lost; to go on: git otto {word} {} --file {quoted}", task.id);
        if !start.ui.can_ask() {
            let hint = failure.hint.map(|hint| format!("{hint}\n{later}")).unwrap_or(later);
            return Err(Failure { hint: Some(hint), ..failure });
        }
        let exit = start.ui.fail(&failure);
        loop {
            match start.ui.ask("[e]dit again, [q]uit: ")?.to_lowercase().as_str() {
                "e" | "edit" => break,
                "q" | "quit" | "" => {
                    start.ui.say(&later)?;
                    return Ok(exit);
                }
                other => start.ui.say(&format!("{other:?} is neither e nor q"))?,
            }
        }
    }
}

/// The user's editor. Where nobody named one, it is only opened on a terminal.
fn chosen(start: &Start, task: &Task<'_>) -> Result<String, Failure> {
    let repo = &task.store.repo;
    let env = &start.world.env;
    let named = ["GIT_EDITOR", "VISUAL", "EDITOR"].iter().any(|name| env.var(name).is_some_and(|v| !v.is_empty()))
        || repo.config("core.editor").is_some();
    if !named && !start.ui.can_ask() {
        let text = "nothing says what is to change, and there is no terminal for an editor";
        return Err(Failure::new(Exit::Usage, text).hint("give --set, --patch or --file, or set GIT_EDITOR"));
    }
    repo.editor().map_err(|e| {
        let failure = Failure::from(e);
        Failure { exit: Exit::Usage, hint: Some("git config --global core.editor <editor>".into()), ..failure }
    })
}

/// What the editor shows: the reason above, the spec below.
fn text(start: &Start, task: &Task<'_>) -> Result<(View, String), Failure> {
    let (id, stored) = (task.id, &task.stored);
    let markdown = intent::render(&task.before, &stored.files, true);
    let whole = intent::carries(&markdown, &task.before, &stored.files);
    let view = match task.input.view {
        Some(view) => view,
        None if whole => View::Markdown,
        None => {
            start.ui.say("Markdown cannot carry all of this spec unchanged: it is shown as JSON")?;
            View::Json
        }
    };
    let body = match view {
        View::Markdown => markdown,
        View::Json => String::from_utf8_lossy(&stored.spec_bytes).into_owned(),
    };
    let must = match task.manner.kind {
        Kind::Edit => "A draft may be changed without a reason.",
        _ => "Without a reason nothing is amended.",
    };
    let reason = task.input.reason.as_deref().unwrap_or_default();
    let head = format!(
        "{reason}\n# Why does the spec {id} change? Say it in the lines above; those that begin with # do not count.\n\
         # {must} Change the spec below the next line, save it, and leave the editor.\n{BASE}{}\n{CUT}\n",
        stored.commit
    );
    Ok((view, head + &body))
}

/// Starts the editor as git does, on the user's terminal, and waits for it.
fn open(start: &Start, editor: &str, file: &Path) -> Result<(), Failure> {
    // Git's own word for an editor that changes nothing.
    if editor == ":" {
        return Ok(());
    }
    // As git, only what needs a shell gets one: it would not leave interrupts to the editor.
    let argv: Vec<OsString> = match editor.contains(|c| "|&;<>()$`\\\"' \t\n*?[#~=%".contains(c)) {
        true => vec!["sh".into(), "-c".into(), format!("{editor} \"$@\"").into(), editor.into(), file.into()],
        false => vec![editor.into(), file.into()],
    };
    let env = &start.world.env;
    let env: Vec<_> = env.vars.iter().chain(&env.git).map(|(k, v)| (k.clone(), v.clone())).collect();
    let how = match procs::on_terminal(&argv, &env) {
        Ok(Ended::Exit(0)) => return Ok(()),
        Ok(Ended::Exit(code)) => format!("ended with {code}"),
        Ok(Ended::Signal(signal)) => format!("was ended by signal {signal}"),
        Err(e) => format!("could not be started: {e}"),
    };
    Err(Failure::new(Exit::Usage, format!("the editor {editor:?} {how}")).hint("git var GIT_EDITOR"))
}
