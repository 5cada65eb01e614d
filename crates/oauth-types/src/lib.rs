#![doc = include_str!("../README.md")]

mod basic;
mod claims;
mod error;
pub mod feed;
mod form;
mod grant;
mod introspection;
mod metadata;
mod resource;
pub mod revocation;
mod scope;
mod time;
mod token;

pub use basic::{BasicCredentials, BasicError};
pub use claims::{AccessTokenClaims, Audiences};
pub use error::{ErrorCode, ErrorResponse};
pub use form::{Form, FormError};
pub use grant::{GrantRequest, GrantType, RequestError};
pub use introspection::IntrospectionResponse;
pub use metadata::AuthorizationServerMetadata;
pub use resource::{ResourceError, ResourceIndicator};
pub use scope::{ScopeError, ScopeSet, ScopeToken};
pub use time::UnixMillis;
pub use token::TokenResponse;
