//! A merge as git leaves it where two sides conflict: whatever merges is merged, and files that hold both sides have marks
//! between them.

use super::{BStr, BString, ByteSlice, Mode, Repo, Result};
use crate::base::Oid;

/// A larger file keeps the marks as git named them.
const MAX_MARKED: u64 = 16 << 20;
/// How git begins the name of something that conflicts.
const CONFLICT: &str = "CONFLICT (";

/// A merge with its conflicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmerged {
    /// What git leaves in the files.
    pub tree: Oid,
    /// The paths that conflict, in order.
    pub clashes: Vec<Clash>,
}

/// A path that conflicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clash {
    /// The path, as git names it: where two things cannot stand in one place, the name of one has a `~` and an end.
    pub path: BString,
    /// In which ways, in git's own words: contents, modify/delete, binary, rename/delete, distinct modes…
    pub kinds: Vec<String>,
    /// What both sides come from.
    pub base: Option<(Mode, Oid)>,
    /// What our side has.
    pub ours: Option<(Mode, Oid)>,
    /// What their side has.
    pub theirs: Option<(Mode, Oid)>,
    /// It stands aside under a name of git's own, since two things cannot stand in one place.
    pub aside: bool,
    /// The lines with which conflicts begin, go on to the base and end in the file; none where it holds no marks.
    pub marks: Vec<BString>,
}

impl Repo {
    /// Merges `theirs` into `ours` as git does, conflicts and all (`merge.conflictStyle` diff3). `labels` names our side and
    /// theirs of a path, one line each.
    pub fn merge_with_marks(&self, ours: Oid, theirs: Oid, labels: &dyn Fn(&BStr) -> [String; 2]) -> Result<Unmerged> {
        let out = self.merge_tree(ours, theirs, "diff3", &["--messages"])?;
        let broken = || out.failed();
        if !matches!(out.code, Some(0 | 1)) {
            return Err(out.failed());
        }
        let mut fields = out.stdout.split(|b| *b == 0);
        let tree: Oid = fields.next().and_then(|id| id.to_str().ok()?.trim().parse().ok()).ok_or_else(broken)?;
        let mut clashes: Vec<Clash> = Vec::new();
        for field in fields.by_ref().take_while(|f| !f.is_empty()) {
            let (stage, mode, id, path) = staged(field).ok_or_else(broken)?;
            if clashes.last().is_none_or(|c| c.path != path) {
                clashes.push(Clash { path: path.to_owned(), ..Clash::default() });
            }
            if let Some(clash) = clashes.last_mut() {
                *match stage {
                    1 => &mut clash.base,
                    2 => &mut clash.ours,
                    _ => &mut clash.theirs,
                } = Some((mode, id));
            }
        }
        // Each message: how many paths, the paths, its kind, its words.
        while let Some(count) = fields.next().filter(|f| !f.is_empty()) {
            let count: usize = count.to_str().ok().and_then(|n| n.parse().ok()).ok_or_else(broken)?;
            let paths: Vec<&[u8]> = fields.by_ref().take(count).collect();
            let kind = fields.next().ok_or_else(broken)?.to_str_lossy();
            fields.next().ok_or_else(broken)?;
            let Some(kind) = kind.strip_prefix(CONFLICT).map(|k| k.trim_end_matches(')').to_owned()) else { continue };
            for clash in clashes.iter_mut().filter(|c| paths.contains(&c.path.as_bytes())) {
                if !clash.kinds.contains(&kind) {
                    clash.kinds.push(kind.clone());
                }
            }
        }
        let base = self.merge_bases(ours, theirs)?.first().map(Oid::to_string).unwrap_or_default();
        let names = [ours.to_string(), base, theirs.to_string()];
        let mut edits = Vec::new();
        for clash in &mut clashes {
            clash.aside = [&names[0], &names[2]].iter().any(|name| clash.path.ends_with(format!("~{name}").as_bytes()));
            let Some(found) = self.entry(tree, clash.path.as_bstr())? else { continue };
            if !matches!(found.mode, Mode::Plain | Mode::Executable) || self.object_header(found.oid)?.1 > MAX_MARKED {
                continue;
            }
            let [our, their] = labels(clash.path.as_bstr());
            let (bytes, marks) =
                relabelled(&self.read_blob(found.oid, MAX_MARKED)?, &names, &[our, "base".into(), their]);
            if !marks.is_empty() {
                edits.push((clash.path.clone(), Some((found.mode, self.write_blob(&bytes)?))));
                clash.marks = marks;
            }
        }
        Ok(Unmerged { tree: self.write_tree(Some(tree), &edits)?, clashes })
    }
}

/// `<mode> <id> <stage>\t<path>`.
fn staged(field: &[u8]) -> Option<(u8, Mode, Oid, &BStr)> {
    let (info, path) = field.split_once_str("\t")?;
    let mut words = info.to_str().ok()?.split(' ');
    let mode = words.next()?;
    let mode =
        [Mode::Plain, Mode::Executable, Mode::Symlink, Mode::Submodule].into_iter().find(|m| m.octal() == mode)?;
    let id = words.next()?.parse().ok()?;
    let stage = words.next()?.parse().ok().filter(|n| (1..=3).contains(n))?;
    Some((stage, mode, id, path.as_bstr()))
}

/// The text with other names in the marks that name our side, the base and their side, and those marks. A line of the text
/// itself that looks like a mark names none of them.
fn relabelled(text: &[u8], names: &[String; 3], labels: &[String; 3]) -> (Vec<u8>, Vec<BString>) {
    let (mut out, mut marks) = (Vec::with_capacity(text.len()), Vec::new());
    for line in text.split_inclusive(|b| *b == b'\n') {
        let found = [b'<', b'|', b'>'].iter().zip(names).zip(labels).find_map(|((sign, name), label)| {
            let length = line.iter().take_while(|b| *b == sign).count();
            let (run, rest) = line.split_at_checked(length).filter(|(run, _)| run.len() >= 7)?;
            let rest = rest.strip_prefix(b" ")?.trim_end();
            // After a rename the path on that side follows.
            let said = rest.split(|b| *b == b':').next().unwrap_or_default();
            let short = *sign == b'|' && said.len() >= 4 && name.as_bytes().starts_with(said);
            let shared = *sign == b'|' && said == b"merged common ancestors";
            (said == name.as_bytes() || short || shared).then(|| {
                let tail = rest.strip_prefix(said).unwrap_or_default();
                BString::from([run, b" ", label.as_bytes(), tail].concat())
            })
        });
        match found {
            Some(mark) => {
                out.extend_from_slice(&mark);
                out.push(b'\n');
                if !marks.contains(&mark) {
                    marks.push(mark);
                }
            }
            None => out.extend_from_slice(line),
        }
    }
    (out, marks)
}
