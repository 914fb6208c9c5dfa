use proptest::prelude::*;

use super::*;

const WRITER: &str = "5eed0001";

fn anchor() -> Oid {
    "3".repeat(40).parse().unwrap()
}

/// The golden chain, its first lines.
fn chain(lines: usize) -> Vec<String> {
    let text = include_str!("../../../tests/golden/journal-v1/chain/5eed0001.jsonl");
    text.split_inclusive('\n').take(lines).map(str::to_owned).collect()
}

fn checked(lines: &[String]) -> Checked {
    check(WRITER, anchor(), [lines.concat().as_bytes()])
}

fn fault(lines: &[String]) -> (u64, u64, What) {
    let found = checked(lines);
    let fault = found.fault.expect("a fault");
    assert_eq!(found.events.len() as u64, fault.good);
    let good: String = lines.iter().take(fault.good as usize).cloned().collect();
    assert_eq!(found.next, check(WRITER, anchor(), [good.as_bytes()]).next);
    (fault.line, fault.good, fault.what)
}

#[test]
fn the_golden_chain_is_good_however_it_is_cut_into_segments() {
    let all = chain(1000);
    assert!(all.len() > 50);
    for size in [1, 7, 256] {
        let segments: Vec<String> = all.chunks(size).map(|c| c.concat()).collect();
        let found = check(WRITER, anchor(), segments.iter().map(|s| s.as_bytes()));
        assert_eq!((found.events.len(), found.fault), (all.len(), None));
        assert_eq!(found.next, Some(link(all.last().unwrap().trim_end().as_bytes())));
    }
    assert_eq!(check(WRITER, anchor(), []).next, Some(first(anchor())));
}

#[test]
fn a_journal_torn_at_any_byte_keeps_its_whole_lines() {
    let text = chain(13).concat().into_bytes();
    assert!(text.len() > 3900, "{}", text.len());
    for cut in 0..text.len() {
        let torn = &text[..cut];
        let found = check(WRITER, anchor(), [torn]);
        let whole = torn.iter().filter(|b| **b == b'\n').count() as u64;
        assert_eq!(found.events.len() as u64, whole);
        let fault = Fault { writer: WRITER.into(), line: whole + 1, good: whole, what: What::Torn };
        assert_eq!(found.fault, (!torn.is_empty() && !torn.ends_with(b"\n")).then_some(fault));
    }
}

#[test]
fn every_dropped_swapped_and_doubled_line_is_named() {
    let all = chain(12);
    for at in 0..all.len() {
        let n = at as u64 + 1;
        let mut dropped = all.clone();
        dropped.remove(at);
        if at + 1 < all.len() {
            assert_eq!(fault(&dropped), (n, n - 1, What::Dropped { from: n, to: n }));
            let mut swapped = all.clone();
            swapped.swap(at, at + 1);
            assert_eq!(fault(&swapped), (n, n - 1, What::Swapped { found: n + 1 }));
        }
        let mut doubled = all.clone();
        doubled.insert(at + 1, all[at].clone());
        assert_eq!(fault(&doubled), (n + 1, n, What::Duplicated { of: n }));
    }
}

#[test]
fn every_forged_line_but_the_last_is_named() {
    let all = chain(12);
    for at in 0..all.len() - 1 {
        let n = at as u64 + 1;
        let mut forged = all.clone();
        forged[at] = forged[at].replacen("20:00:00", "20:00:01", 1);
        let (line, good, what) = fault(&forged);
        if at + 2 < all.len() {
            assert_eq!((line, what), (n, What::Forged));
        } else {
            // Nothing says whether the last line or the one before was changed: neither is trusted.
            assert_eq!((line, what), (n + 1, What::Unlinked));
        }
        assert_eq!(good, n - 1);

        let mut unlinked = all.clone();
        unlinked[at] = unlinked[at].replacen("\"prev\":\"sha256:", "\"prev\":\"sha256:0", 1);
        assert!(fault(&unlinked).1 < n);
    }
    let other_run: Oid = "4".repeat(40).parse().unwrap();
    let found = check(WRITER, other_run, [all.concat().as_bytes()]);
    assert_eq!(found.fault.map(|f| (f.line, f.good, f.what)), Some((1, 0, What::Unlinked)));
    let found = check("5eed0002", anchor(), [all.concat().as_bytes()]);
    assert_eq!(found.fault.map(|f| f.what), Some(What::Id("5eed0001-1".into())));
}

#[test]
fn a_line_that_is_no_event_says_why() {
    for (bad, why) in [
        ("\n", "EOF"),
        ("{\"v\":2}\n", "version 2"),
        ("\u{0}\n", "expected value"),
        ("{\"v\":1,\"id\":\"5eed0001-3\",\"event\":1}\n", "\"seq\" must"),
    ] {
        let mut lines = chain(5);
        lines[2] = bad.to_owned();
        let (line, good, what) = fault(&lines);
        assert_eq!((line, good), (3, 2));
        assert!(matches!(&what, What::Malformed(w) if w.contains(why)), "{what}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        cut in 0..4000_usize, junk in proptest::collection::vec(any::<u8>(), 0..40), at in 0..4000_usize,
    ) {
        let mut text = chain(12).concat().into_bytes();
        let at = at.min(text.len());
        text.splice(at..(at + cut % 50).min(text.len()), junk);
        let found = check(WRITER, anchor(), [&text[..]]);
        prop_assert_eq!(found.fault.map_or(found.events.len() as u64, |f| f.good), found.events.len() as u64);
    }
}
