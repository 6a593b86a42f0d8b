//! What holds of every text, query or not. The tests here, the mutation fuzzer of the engine (`make fuzz-language`) and the
//! libFuzzer target (`fuzz/`) check the same.

use taffrail_kql::syntax::{PieceKind, Source, parse, print};
use taffrail_kql::{Diagnostic, Environment, compile, complete, format, hover};

fn boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The text after the first fix.
pub fn mended(text: &str, problems: &[Diagnostic]) -> Option<String> {
    let fix = problems.iter().find_map(|problem| problem.fix.as_ref())?;
    let mut text = text.to_owned();
    text.replace_range(fix.span.start..fix.span.end, &fix.text);
    Some(text)
}

/// Nothing of a text is lost by reading it.
pub fn read(text: &str) {
    let source = Source::new(text);
    assert_eq!(source.to_string(), text, "the pieces are the text");
    for pair in source.pieces.windows(2) {
        assert_eq!(pair[0].span.end, pair[1].span.start, "no gaps");
    }
    for statement in &source.query.statements {
        let within = source.within(statement.span);
        let words = within.iter().filter(|piece| matches!(piece.kind, PieceKind::Token(_)));
        assert!(
            words.count() > 0 || statement.span.start == statement.span.end,
            "a statement has words: {:?} of {text:?}",
            statement.span
        );
    }
}

/// A text is bound or refused with reasons that have places; it keeps its meaning when it is laid out; and people who type or
/// point anywhere in it are helped or not, but never harmed.
pub fn hold(text: &str, at: usize, env: &Environment<'_>) {
    read(text);
    let at = boundary(text, at);
    let answer = compile(text, env);
    let problems = match &answer {
        Ok(bound) => &bound.warnings,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason: {text:?}");
            problems
        }
    };
    for problem in problems {
        problem.render(text);
        let fix = problem.fix.as_ref().map(|fix| fix.span);
        for span in std::iter::once(problem.span).chain(fix) {
            assert!(text.get(span.start..span.end).is_some(), "no such place {span:?} in {text:?}");
        }
    }
    if let Some(mended) = mended(text, problems) {
        let _ = compile(&mended, env);
    }
    if let Ok(once) = format(text) {
        assert_eq!(
            format(&once).unwrap_or_else(|problems| panic!("{text:?}\n{once}\n{problems:?}")),
            once,
            "{text:?}"
        );
        if let (Ok(before), Ok(after)) = (&answer, compile(&once, env)) {
            let columns = |bound: &taffrail_kql::BoundQuery| -> Vec<_> {
                bound.root.columns.iter().map(|column| (column.name.clone(), column.ty)).collect()
            };
            assert_eq!(columns(before), columns(&after), "{text:?}\n{once}");
        }
    }
    let (query, problems) = parse(text);
    if problems.is_empty() {
        let printed = print(&query);
        assert_eq!(print(&parse(&printed).0), printed, "{text:?}");
    }
    complete(text, at, env);
    if let Some(found) = hover(text, at, env) {
        assert_eq!(text.get(found.span.start..found.span.end), Some(found.name.as_str()));
    }
}
