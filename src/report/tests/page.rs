//! The page and the body of a pull request.

use std::sync::LazyLock;

use pulldown_cmark::{Event, Options, Parser, Tag};
use regex::Regex;

use super::*;
use crate::report::model::Picture;

/// Texts as an enemy writes them: markup of every kind, what drives terminals, what turns the direction of reading, an
/// endless word.
const EVIL: &str = "</style></title><script src='//e.example/x'></script><img src=x onerror=alert(1)> \" onload='x' \u{1b}[2J\u{202e}\u{0} \
    {{ 7*7 }} {% raw %} &amp; <!-- a|b @ann fixes #12 https://e.example/ www.e.example ``` ` \n\n# What is missing\n\nNothing.";

/// The packet of the run that came to a partial end, with red checks that printed something.
fn partial_packet() -> Packet {
    let plan = plan(spec());
    let mut packet = packet_of(&plan, &partial(&plan));
    for r in packet.checks.iter_mut().flat_map(|c| &mut c.results).filter(|r| !r.cause.passed() && r.round != "base") {
        r.path = Some("_cross/0a.0/audit-1/all-1".into());
        r.stdout = Some("one <line>\n2:tea".into());
        r.stderr = Some("grep: & not found".into());
    }
    packet
}

/// The same with every text from outside set to this one, repeated.
fn with_text(text: &str) -> Packet {
    let mut packet = partial_packet();
    let t = || text.to_owned();
    (packet.spec.title, packet.spec.intent, packet.spec.non_goals) = (t(), t(), vec![t()]);
    (packet.why, packet.problems, packet.recovery.actions) = (vec![t(), t()], vec![t()], vec![t()]);
    packet.requirements.iter_mut().for_each(|r| r.text = t());
    for c in &mut packet.checks {
        (c.sentence, c.on_base) = (t(), c.on_base.as_ref().map(|_| t()));
        c.self_written.iter_mut().for_each(|s| *s = t());
        for r in &mut c.results {
            (r.detail, r.stdout, r.stderr) = (t(), r.stdout.as_ref().map(|_| t()), r.stderr.as_ref().map(|_| t()));
            let picture = Picture { name: t(), blob: oid(1), media: "image/png", bytes: b"\x89PNG".to_vec() };
            r.pictures = vec![picture];
        }
    }
    for s in &mut packet.slices {
        s.title = t();
        s.blocked.iter_mut().for_each(|b| b.detail = t());
        for a in &mut s.attempts {
            a.provider = t();
            a.failed.iter_mut().for_each(|f| f.detail = t());
            a.violations.iter_mut().for_each(|v| *v = t());
        }
    }
    packet.missing.slices.iter_mut().for_each(|s| s.why = t());
    packet.amendments.iter_mut().for_each(|a| (a.actor, a.reason, a.changes) = (t(), t(), vec![t()]));
    packet.built_by.agents.iter_mut().for_each(|a| a.provider = t());
    packet.built_by.sentence = t();
    packet
}

/// The tags of a page without what they say in attributes that take texts. Nothing prints a bare `<` or `>`, so a tag is
/// what stands between the two.
fn tags(page: &str) -> Vec<String> {
    static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<[^>]*>").unwrap());
    static TEXTS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#" alt="[^"]*""#).unwrap());
    let of_text = |tag: &&str| !matches!(*tag, "<code>" | "</code>");
    TAG.find_iter(page).map(|m| m.as_str()).filter(of_text).map(|t| TEXTS.replace_all(t, "").into_owned()).collect()
}

#[test]
fn a_partial_run_is_a_page() {
    let page = html(&partial_packet()).unwrap();
    assert_eq!(page, html(&partial_packet()).unwrap(), "twice the same bytes");
    assert!(page.starts_with("<!doctype html>\n"), "{}", &page[..40]);
    insta::assert_snapshot!("page", page.split_once("<body>").unwrap().1);
}

#[test]
fn a_page_loads_nothing_and_allows_only_its_own_style() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use sha2::Digest as _;
    let page = html(&with_text("x")).unwrap();
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = STANDARD.encode(sha2::Sha256::digest(style)).replace('/', "&#x2f;");
    assert!(page.contains(&format!("default-src 'none'; style-src 'sha256-{digest}'; img-src data:")), "{digest}");
    assert!(!style.contains("url(") && !style.contains("@import"));
    for tag in tags(&page) {
        let name = tag.trim_start_matches(['<', '/']).split([' ', '>']).next().unwrap_or_default().to_owned();
        assert!(
            !["script", "link", "iframe", "object", "embed", "form", "base", "svg"].contains(&name.as_str()),
            "{tag}"
        );
        assert!(!tag.contains(" on") && !tag.contains(" style="), "{tag}");
        let leads = tag.split_once(" href=\"").or(tag.split_once(" src=\"")).map(|(_, to)| to);
        assert!(leads.is_none_or(|to| to.starts_with('#') || to.starts_with("data:image&#x2f;png;base64,")), "{tag}");
    }
}

#[test]
fn hostile_texts_stay_texts_on_the_page() {
    let (clean, hostile) = (html(&with_text("x")).unwrap(), html(&with_text(EVIL)).unwrap());
    assert_eq!(tags(&hostile), tags(&clean));
    assert!(hostile.contains("&lt;script src=&#x27;&#x2f;&#x2f;e.example"), "{hostile}");
    assert!(hostile.contains("{{ 7*7 }}"), "a text is no template");
    let odd = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert_eq!(hostile.chars().find(|c| odd(*c)), None);
    let long = html(&with_text(&"x".repeat(1 << 16))).unwrap();
    assert!(long.contains("xxx…"), "a word without end is cut");
}

#[test]
fn a_pull_request_says_the_verdict_what_proves_it_and_what_is_missing() {
    insta::assert_snapshot!("pull_request", pull_request(&partial_packet()).unwrap());
}

/// Hostile texts add nothing to the structure of a pull request, and what forges read into words is parted.
#[test]
fn hostile_texts_change_no_structure_of_a_pull_request() {
    let structure = |text: &str| -> Vec<String> {
        let kept = |e: Event<'_>| match e {
            Event::Start(
                tag @ (Tag::Heading { .. } | Tag::Item | Tag::TableRow | Tag::TableCell | Tag::Link { .. }),
            ) => Some(format!("{tag:?}")),
            Event::Start(tag @ (Tag::Image { .. } | Tag::Emphasis | Tag::HtmlBlock)) => Some(format!("{tag:?}")),
            Event::Html(h) | Event::InlineHtml(h) if &*h != "<!-- -->" => Some(format!("html {h}")),
            _ => None,
        };
        Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(kept).collect()
    };
    let clean = pull_request(&with_text("x")).unwrap();
    for evil in [EVIL, "`a|b` | `c`", "\\| \\`x", "|||", "1. one", "fixes #12"] {
        let hostile = pull_request(&with_text(evil)).unwrap();
        assert_eq!(structure(&hostile), structure(&clean), "{evil}\n{hostile}");
    }
    let hostile = pull_request(&with_text(EVIL)).unwrap();
    for read in ["@ann", "#12", "://", "www.e"] {
        assert!(!hostile.contains(read), "{read}: {hostile}");
    }
    assert!(pull_request(&with_text("see `@ann` and `a://b`")).unwrap().contains("see `@ann` and `a://b`"));
}

/// The colours of a block of custom properties.
fn colours(css: &str) -> BTreeMap<String, [f64; 3]> {
    static COLOUR: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"--([a-z-]+): #([0-9a-f]{6})").unwrap());
    let part = |hex: &str, at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
    COLOUR.captures_iter(css).map(|c| (c[1].to_owned(), [0, 2, 4].map(|at| part(&c[2], at)))).collect()
}

/// The contrast of two colours (WCAG 2.2, 1.4.3).
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let light = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (light(a), light(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_has_enough_contrast_in_light_and_dark() {
    let css = include_str!("../packet.css");
    let (light, rest) = css.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let dark = rest.split_once("\n}\n").unwrap().0;
    for colours in [colours(light), colours(dark)] {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for ground in ["page", "card", "code"] {
            pairs.extend(["ink", "soft", "link"].map(|text| (text.into(), ground.into())));
        }
        for tone in ["good", "warn", "bad", "open"] {
            pairs.extend([tone, "ink", "soft"].map(|text| (text.into(), format!("{tone}-bg"))));
            pairs.push((tone.into(), "card".into()));
        }
        for (text, ground) in pairs {
            let found = contrast(colours[&text], colours[&ground]);
            assert!(found >= 4.5, "{text} on {ground}: {found:.2}");
        }
    }
}
