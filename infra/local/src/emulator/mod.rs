//! What stands for the cloud: API Gateway, Lambda, DynamoDB, a token issuer and a clock, as the template declares them.

pub mod clock;
pub mod dynamodb;
pub(crate) mod gateway;
pub mod jwt;
pub mod lambda;
pub mod observer;
pub mod openapi;
pub mod template;
