export const brand = { DEFAULT: "#0f766e", soft: "#ccfbf1" };
