//! "Did you mean": the known name nearest to one that is not known.

use crate::diagnostic::{Code, Diagnostic, Span};

/// The candidate a person most likely meant.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = name.to_lowercase();
    // A third of the letters may be wrong, at least one.
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// "unknown WHAT NAME", with the mend when a known name is near.
pub(crate) fn unknown<'c>(what: &str, name: &str, span: Span, candidates: impl IntoIterator<Item = &'c str>) -> Diagnostic {
    let problem = Diagnostic::error(Code::UnknownName, span, format!("there is no {what} named '{name}'"));
    match nearest(name, candidates) {
        Some(found) => problem.with_help(format!("did you mean '{found}'?")).with_fix(span, found),
        None => problem,
    }
}
