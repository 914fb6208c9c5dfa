//! Texts that sides only add lines to: registries, lists, tables. What was added at one place is kept from both sides, each
//! with what it belongs to, and its order does not depend on who came first.

use super::ByteSlice;

/// Who added a line: the smaller comes first. None for lines of the base, and of whoever has no place in the order.
type By = Option<usize>;

/// Lines that were added at one place.
type Gap<'t> = Vec<(&'t [u8], By)>;

/// A later version of a text, and who made it.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// The text.
    pub text: &'a [u8],
    /// The place of who made it.
    pub by: Option<usize>,
}

/// Merges two sides that both only added lines to `base`; none where one of them did anything else. Our side is told
/// version by version, the last being what it is now. Lines added at the same place stand in the order of who added them;
/// where both sides added exactly the same lines, they stand there once.
pub fn merge(base: &[u8], ours: &[Version<'_>], theirs: Version<'_>) -> Option<Vec<u8>> {
    let base_lines = lines(base)?;
    let our = added(&base_lines, ours)?;
    let their = added(&base_lines, &[theirs])?;
    let mut out: Vec<&[u8]> = Vec::new();
    for (n, (our, their)) in our.iter().zip(&their).enumerate() {
        let texts = |side: &[(&[u8], By)]| side.iter().map(|(l, _)| l.to_vec()).collect::<Vec<_>>();
        let after = |(_, by): &(&[u8], By)| matches!((*by, theirs.by), (Some(by), Some(own)) if by > own);
        let at = if texts(our) == texts(their) { None } else { Some(our.iter().position(after).unwrap_or(our.len())) };
        let (before, rest) = our.split_at(at.unwrap_or(our.len()));
        let between = at.map_or(&[][..], |_| their);
        out.extend(before.iter().chain(between).chain(rest).map(|(l, _)| *l));
        out.extend(base_lines.get(n));
    }
    let open = [ours.last().map_or(base, |v| v.text), theirs.text].iter().all(|t| !t.is_empty() && !t.ends_with(b"\n"));
    let mut text = out.join(&b'\n');
    if !open && !out.is_empty() {
        text.push(b'\n');
    }
    Some(text)
}

/// The lines of a text, which may lack its last newline; none of what is no text.
fn lines(text: &[u8]) -> Option<Vec<&[u8]>> {
    if text.contains(&0) {
        return None;
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    Some(if text.is_empty() { Vec::new() } else { text.split_str("\n").collect() })
}

/// What versions added before each line of the base, and after the last one.
fn added<'t>(base: &[&'t [u8]], versions: &[Version<'t>]) -> Option<Vec<Gap<'t>>> {
    // Each line with the line of the base that it is, or with who added it.
    let mut known: Vec<(&[u8], Result<usize, By>)> = base.iter().enumerate().map(|(n, l)| (*l, Ok(n))).collect();
    for version in versions {
        let now = lines(version.text)?;
        let old: Vec<&[u8]> = known.iter().map(|(l, _)| *l).collect();
        let kept = kept(&old, &now)?;
        let mut before = known.into_iter();
        known = now
            .into_iter()
            .zip(kept)
            .filter_map(|(line, kept)| if kept { before.next() } else { Some((line, Err(version.by))) })
            .collect();
    }
    let mut gaps = vec![Vec::new()];
    for (line, of) in known {
        match (of, gaps.last_mut()) {
            (Ok(_), _) => gaps.push(Vec::new()),
            (Err(by), Some(gap)) => gap.push((line, by)),
            (Err(_), None) => {}
        }
    }
    Some(gaps)
}

/// Which of the new lines are the old ones; none where an old one is not there, or not in its order. What both begin and
/// end with is matched first, so that added lines stand together where they can.
fn kept(old: &[&[u8]], new: &[&[u8]]) -> Option<Vec<bool>> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, rest) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut wanted = old[..old.len() - end].iter().peekable();
    let mut out = vec![true; start];
    out.extend(rest[..rest.len() - end].iter().map(|line| wanted.next_if_eq(&line).is_some()));
    out.resize(new.len(), true);
    wanted.next().is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, ours: &[(&str, usize)], theirs: (&str, usize)) -> Option<String> {
        let version = |(text, by): &(&'static str, usize)| Version { text: text.as_bytes(), by: Some(*by) };
        let ours: Vec<(&'static str, usize)> = ours.iter().map(|(t, n)| (leak(t), *n)).collect();
        let ours: Vec<Version<'_>> = ours.iter().map(version).collect();
        merge(base.as_bytes(), &ours, version(&(leak(theirs.0), theirs.1))).map(|t| String::from_utf8(t).unwrap())
    }

    fn leak(text: &str) -> &'static str {
        text.to_owned().leak()
    }

    #[test]
    fn additions_at_one_place_stand_in_the_order_of_who_added_them_whoever_came_first() {
        let base = "head\nfoot\n";
        let line = |n: usize| format!("slice {n}\n");
        let of = |ids: &[usize]| format!("head\n{}foot\n", ids.iter().map(|n| line(*n)).collect::<String>());
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut landed: Vec<(String, usize)> = Vec::new();
            for by in order {
                let history: Vec<(&str, usize)> = landed.iter().map(|(t, n)| (t.as_str(), *n)).collect();
                let own = of(&[by]);
                let text = joined(base, &history, (&own, by)).unwrap();
                landed.push((text, by));
            }
            assert_eq!(landed[2].0, of(&[0, 1, 2]), "{order:?}");
        }
    }

    #[test]
    fn every_line_of_both_sides_is_kept() {
        for (base, ours, theirs, both) in [
            ("", "a\n", "b\n", "a\nb\n"),
            ("x\n", "x\na\n", "b\nx\n", "b\nx\na\n"),
            ("x\n", "a\nx\n", "a\nx\n", "a\nx\n"),
            ("x\n", "a\nx\n", "a\nb\nx\n", "a\na\nb\nx\n"),
            ("x", "x\na", "x\nb", "x\na\nb"),
            ("x", "x\na\n", "x\nb", "x\na\nb\n"),
            ("x\n}\n", "x\na {\n}\n}\n", "x\nb {\n}\n}\n", "x\na {\n}\nb {\n}\n}\n"),
            ("x\n", "x\n", "x\nb\n", "x\nb\n"),
            ("a\r\n", "a\r\nb\r\n", "a\r\nc\r\n", "a\r\nb\r\nc\r\n"),
        ] {
            assert_eq!(joined(base, &[(ours, 0)], (theirs, 1)).as_deref(), Some(both), "{base:?} {ours:?} {theirs:?}");
        }
    }

    #[test]
    fn who_changes_or_removes_a_line_is_not_merged_this_way() {
        for (base, ours, theirs) in [
            ("x\ny\n", "x\n", "x\ny\nb\n"),
            ("x\ny\n", "x\ny\na\n", "y\nx\n"),
            ("x\ny\n", "x\nY\n", "x\ny\nb\n"),
            ("x\n", "x\na\0\n", "x\nb\n"),
        ] {
            assert_eq!(joined(base, &[(ours, 0)], (theirs, 1)), None, "{base:?} {ours:?} {theirs:?}");
        }
        // What was added and taken back again on the way is no removal from the base, but nobody knows whose lines stay.
        assert_eq!(joined("x\n", &[("x\na\n", 0), ("x\n", 0)], ("x\nb\n", 1)), None);
    }
}
