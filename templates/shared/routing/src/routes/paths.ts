/** Every address of the app, so that links cannot be misspelt. No imports here: everything imports this. */
export const paths = {
  dashboard: "/",
  /** Where people who are not signed in start. */
  landing: "/login",
  login: "/login",
  signup: "/signup",
  forgotPassword: "/forgot-password",
};
