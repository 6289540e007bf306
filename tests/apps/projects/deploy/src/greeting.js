export const greeting = "first";
