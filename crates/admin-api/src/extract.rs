//! What operations take from a request. Everything that can't be read is answered as a problem that names the place.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_core::RequestInfo;
use symbolon_core::audit::{Act, Expected, MAX_REASON, Warrant};
use symbolon_core::view::Version;
use utoipa::IntoParams;
use zeroize::{Zeroize as _, Zeroizing};

use crate::access::{Admission, Principal};
use crate::api::Api;
use crate::change::REPEAT;
use crate::json::{Unique, repeated, rule, shown_name, wrong};
use crate::problem::{Problem, ProblemKind};

/// Whoever calls, in which request, why, and on which condition.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) request: RequestInfo,
    admission: Admission,
    reason: String,
    expected: Option<Expected>,
}

impl Caller {
    /// For the record.
    pub(crate) fn act(&self) -> Act {
        Act {
            reason: self.reason.clone(),
            ..self.principal.act()
        }
        .in_request(&self.request)
        .expecting(self.expected)
    }

    /// For the record, on condition that the record is still as it was read to decide by: `None` where there was none.
    ///
    /// # Errors
    /// [`ProblemKind::Stale`]: it is not as the caller expects it.
    pub(crate) fn act_on(&self, read: impl Into<Option<Version>>) -> Result<Act, Problem> {
        let read = read.into();
        let unmet = self.expected.filter(|expected| !expected.is_met_by(read));
        let detail = match unmet {
            None => return Ok(self.act().expecting(Some(Expected::just(read)))),
            Some(Expected::Absent) => "If-None-Match: there is one already",
            Some(Expected::Present) => "If-Match: there is none",
            Some(Expected::At(_)) => REPEAT,
        };
        Err(Problem::new(ProblemKind::Stale, detail))
    }

    /// Judges them anew, and refuses to go on where they would not be admitted any more: for whoever has done what takes a
    /// while. Returns by what they may make changes.
    ///
    /// # Errors
    /// [`Problem`]; nothing may be changed then.
    pub(crate) async fn may_go_on(&self, api: &Api) -> Result<Option<Warrant>, Problem> {
        let now = api.still_admitted(&self.principal, &self.admission).await?;
        // What they have been given meanwhile is for another request.
        Ok(now.judged.map(|judged| Warrant {
            judged,
            scope: self.principal.scope.clone(),
        }))
    }

    /// The same with a reason that a request body must hold.
    ///
    /// # Errors
    /// [`ProblemKind::Invalid`]: there is none, or it breaks the rule.
    pub(crate) fn because(self, reason: &str) -> Result<Self, Problem> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(Problem::invalid("reason", "say why, for the record"));
        }
        check_text("reason", reason, MAX_REASON)?;
        let reason = reason.to_owned();
        Ok(Self { reason, ..self })
    }
}

/// Why, for the record.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Why {
    /// Why, for the audit trail: at most 200 characters.
    #[param(max_length = 200)]
    pub(crate) reason: Option<String>,
}

/// Checks a text that stands on the record, or is searched by, where there is one; `max` is what the document says.
///
/// # Errors
/// [`ProblemKind::Invalid`], which names it: it has more than `max` characters, or holds control characters.
pub(crate) fn check_text<'a>(
    name: &str,
    text: impl Into<Option<&'a str>>,
    max: usize,
) -> Result<(), Problem> {
    let text = text.into().unwrap_or_default();
    if text.chars().count() > max || text.chars().any(char::is_control) {
        let rule = format!("at most {max} characters, without control characters");
        return Err(Problem::invalid(name, rule));
    }
    Ok(())
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        let request = parts.extensions.get::<RequestInfo>().copied();
        let admission = parts.extensions.get::<Admission>().cloned();
        // The guard before every operation puts all there.
        let (Some(principal), Some(request), Some(admission)) = (principal, request, admission) else {
            return Err(Problem::new(ProblemKind::Internal, "nobody was admitted"));
        };
        // Other parameters are for whoever reads them.
        let Query(why) = Query::<Why>::from_request_parts(parts, api).await?;
        let reason = why.reason.unwrap_or_default();
        check_text("reason", &*reason, MAX_REASON)?;
        Ok(Self {
            principal,
            request,
            admission,
            reason,
            expected: condition(&parts.headers)?,
        })
    }
}

/// How the record must be, as `If-Match` or `If-None-Match` has it
/// ([RFC 9110 section 13.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1)). Whatever is well-formed and no version of
/// ours matches nothing.
fn condition(headers: &HeaderMap) -> Result<Option<Expected>, Problem> {
    let malformed = |detail| Problem::new(ProblemKind::Malformed, detail);
    match (only(headers, IF_MATCH)?, only(headers, IF_NONE_MATCH)?) {
        (None, None) => Ok(None),
        (Some("*"), None) => Ok(Some(Expected::Present)),
        (Some(tag), None) => {
            let tag = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let stale = || Problem::new(ProblemKind::Stale, "If-Match holds no version of this record");
            let version = tag.and_then(Version::parse).ok_or_else(stale)?;
            Ok(Some(Expected::At(version)))
        }
        (None, Some("*")) => Ok(Some(Expected::Absent)),
        (None, Some(_)) => Err(malformed(
            "If-None-Match takes * alone, for a record that is to be made",
        )),
        (Some(_), Some(_)) => Err(malformed("give If-Match or If-None-Match, not both")),
    }
}

/// The only value of a header, where there is one.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let refused = || {
        Problem::new(
            ProblemKind::Malformed,
            format_args!("{name} is no single entity tag"),
        )
    };
    Ok(Some(text.ok_or_else(refused)?.trim()))
}

/// Parameters in the query string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let axum::extract::Query(value) =
            read.map_err(|error| Problem::new(ProblemKind::Malformed, rule(&error.body_text())))?;
        Ok(Self(value))
    }
}

/// A part of the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let axum::extract::Path(value) = read.map_err(|_| {
            let detail = "what the path names can't be the name of a record, so that there is none";
            Problem::new(ProblemKind::NotFound, detail)
        })?;
        Ok(Self(value))
    }
}

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).cloned();
        if !is_json(kind.as_ref(), &["application/json"]) {
            return Err(Problem::new(
                ProblemKind::UnsupportedMedia,
                "send the body as application/json",
            ));
        }
        read(&body(request, api.parts.max_body_bytes).await?).map(Self)
    }
}

/// A JSON merge patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)).
#[derive(Clone, Debug)]
pub(crate) struct MergePatch(Value);

impl FromRequest<Arc<Api>> for MergePatch {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).cloned();
        if !is_json(
            kind.as_ref(),
            &["application/merge-patch+json", "application/json"],
        ) {
            return Err(Problem::new(
                ProblemKind::UnsupportedMedia,
                "send the body as application/merge-patch+json",
            ));
        }
        let Unique(patch) = read(&body(request, api.parts.max_body_bytes).await?)?;
        if !patch.is_object() {
            return Err(Problem::new(
                ProblemKind::Malformed,
                "a merge patch is a JSON object",
            ));
        }
        Ok(Self(patch))
    }
}

impl MergePatch {
    /// What the patch makes of `present`; members that its type does not know are refused.
    ///
    /// # Errors
    /// [`ProblemKind::Invalid`], which names the field.
    pub(crate) fn apply<T: DeserializeOwned + Serialize>(&self, present: &T) -> Result<T, Problem> {
        let mut value = serde_json::to_value(present)
            .map_err(|_| Problem::new(ProblemKind::Internal, "the record has no form in JSON"))?;
        merge(&mut value, &self.0);
        serde_path_to_error::deserialize(value).map_err(|error| wrong(&error))
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(object) = target else { return };
    for (name, change) in members {
        // Removing a member gives it the value that it has where nothing is said of it: null for ours.
        merge(object.entry(name.clone()).or_insert(Value::Null), change);
    }
}

/// The whole body, within the bound, in memory that is wiped: it may hold a password or a private key.
///
/// # Errors
/// It is too large, or ends early.
pub(crate) async fn body(request: Request, limit: usize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut body = Limited::new(request.into_body(), limit);
    let told = body
        .size_hint()
        .exact()
        .and_then(|told| usize::try_from(told).ok());
    let mut whole = Zeroizing::new(Vec::with_capacity(told.unwrap_or_default().min(limit)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unread(&*error, limit))?;
        let Ok(data) = frame.into_data() else { continue };
        let len = whole.len() + data.len();
        if len > whole.capacity() {
            // Growing in place would leave a copy behind.
            let mut larger = Zeroizing::new(Vec::with_capacity((2 * len).min(limit)));
            larger.extend_from_slice(&whole);
            whole = larger;
        }
        whole.extend_from_slice(&data);
        // Where nobody else holds it.
        if let Ok(mut data) = data.try_into_mut() {
            data.zeroize();
        }
    }
    Ok(whole)
}

fn unread(error: &(dyn std::error::Error + 'static), limit: usize) -> Problem {
    let is_long = |error: &(dyn std::error::Error + 'static)| error.is::<LengthLimitError>();
    if is_long(error) || error.source().is_some_and(is_long) {
        Problem::new(
            ProblemKind::TooLarge,
            format_args!("a body has at most {limit} bytes: send less at a time"),
        )
    } else {
        Problem::new(ProblemKind::Malformed, "the body ended early")
    }
}

/// Reads JSON: what is no JSON at all, or names a member twice, is malformed; what breaks the form names the field.
///
/// # Errors
/// [`Problem`].
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            repeated(&error).unwrap_or_else(|| wrong(&error))
        } else {
            Problem::new(
                ProblemKind::Malformed,
                format_args!("the body is no JSON: {inner}"),
            )
        }
    })?;
    from.end().map_err(|error| {
        Problem::new(
            ProblemKind::Malformed,
            format_args!("the body is no JSON: {error}"),
        )
    })?;
    Ok(value)
}

/// Where in a body it is: empty for the whole.
pub(crate) fn place(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut place = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => {
                place.push_str(&format!("[{index}]"));
                continue;
            }
            Segment::Map { key: name } | Segment::Enum { variant: name } => shown_name(name),
            Segment::Unknown => "?",
        };
        if !place.is_empty() {
            place.push('.');
        }
        place.push_str(name);
    }
    place
}

pub(crate) fn is_json(kind: Option<&HeaderValue>, accepted: &[&str]) -> bool {
    let text = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    accepted.iter().any(|kind| kind.eq_ignore_ascii_case(essence))
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Record {
        name: String,
        lifetime: Option<u32>,
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let present = Record {
            name: "a".into(),
            lifetime: Some(5),
        };
        let patched = |patch| MergePatch(patch).apply(&present);
        assert_eq!(patched(json!({})).unwrap(), present);
        assert_eq!(patched(json!({ "lifetime": null })).unwrap().lifetime, None);
        assert_eq!(patched(json!({ "name": "b" })).unwrap().lifetime, Some(5));
        for (patch, field) in [
            (json!({ "nam": "b" }), "nam"),
            (json!({ "name": null }), "name"),
            (json!({ "lifetime": "5" }), "lifetime"),
            (json!({ "lifetime": -5 }), "lifetime"),
        ] {
            let problem = patched(patch).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field));
        }
    }

    #[test]
    fn bodies_name_what_is_wrong_in_them() {
        let problem = |text: &str| read::<Record>(text.as_bytes()).unwrap_err();
        for no_json in [
            "",
            "{",
            "{\"name\":\"a\",\"lifetime\":1} x",
            "\u{feff}{}",
            "{\"name\":\"a\",\"name\":\"b\"}",
        ] {
            assert_eq!(problem(no_json).status, 400, "{no_json}");
        }
        for wrong in ["{\"name\":1}", "{\"name\":\"a\",\"x\":1}", "[]", "{}"] {
            assert_eq!(problem(wrong).status, 422, "{wrong}");
        }
        let place = |text| problem(text).errors[0].field.clone();
        assert_eq!(
            (place("{}").as_str(), place("{\"name\":1}").as_str()),
            ("", "name")
        );
    }

    #[test]
    fn a_condition_is_one_strong_tag_or_that_there_is_one_or_none() {
        let read = |given: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(name, HeaderValue::from_static(value));
            }
            condition(&headers).map_err(|problem| problem.status)
        };
        let text = "00112233445566778899aabbccddeeff";
        let quoted = "\"00112233445566778899aabbccddeeff\"";
        let at = Expected::At(Version::parse(text).unwrap());
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[(IF_MATCH, quoted)]), Ok(Some(at)));
        assert_eq!(read(&[(IF_MATCH, "*")]), Ok(Some(Expected::Present)));
        assert_eq!(read(&[(IF_NONE_MATCH, "*")]), Ok(Some(Expected::Absent)));
        for bad in [
            "W/\"00112233445566778899aabbccddeeff\"",
            "\"x\"",
            "x",
            "\"a\", \"b\"",
        ] {
            assert_eq!(read(&[(IF_MATCH, bad)]), Err(412), "{bad}");
        }
        for bad in [
            &[(IF_MATCH, quoted), (IF_MATCH, quoted)][..],
            &[(IF_NONE_MATCH, "*"), (IF_NONE_MATCH, "*")],
            &[(IF_NONE_MATCH, quoted)],
            &[(IF_MATCH, "*"), (IF_NONE_MATCH, "*")],
        ] {
            assert_eq!(read(bad), Err(400), "{bad:?}");
        }
    }
}
