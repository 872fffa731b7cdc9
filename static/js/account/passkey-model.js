/** What a browser's passkey functions take and give, to and from the JSON of the desk. No DOM here. */

/** @param {string} text base64url, without padding */
export function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

/** @param {ArrayBuffer} buffer */
export function textOf(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {any} given what `begin_registration` says, as JSON @returns {any} */
export function creationOptions({ publicKey }) {
  const { user, excludeCredentials = [], ...rest } = publicKey;
  return {
    ...rest,
    challenge: bytesOf(rest.challenge),
    user: { ...user, id: bytesOf(user.id) },
    excludeCredentials: excludeCredentials.map(withBytes),
    // Kept by the authenticator where it can, so that it signs in without a name; always with finger, face or PIN.
    authenticatorSelection: { residentKey: "preferred", requireResidentKey: false, userVerification: "required" },
  };
}

/** @param {any} given what `begin_authentication` says, as JSON @returns {any} */
export function requestOptions({ publicKey }) {
  const { allowCredentials = [], ...rest } = publicKey;
  return { ...rest, challenge: bytesOf(rest.challenge), allowCredentials: allowCredentials.map(withBytes) };
}

/** @param {any} one */
function withBytes(one) {
  return { ...one, id: bytesOf(one.id) };
}

/** @param {any} credential what the browser gave, of either ceremony */
export function answerOf(credential) {
  const { response } = credential;
  /** @type {Record<string, string>} */
  const parts = { clientDataJSON: textOf(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) parts[name] = textOf(response[name]);
  }
  return {
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    response: parts,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

/** @param {unknown} fault what the browser threw @returns {string} for people; it tells little on purpose */
export function faultWords(fault) {
  const name = fault instanceof Error || (fault && typeof fault === "object" && "name" in fault) ? fault.name : "";
  if (name === "InvalidStateError") return "This device has a passkey of yours for the desk already.";
  if (name === "NotAllowedError" || name === "AbortError") return "Nothing was chosen, or it took too long. Try again.";
  if (name === "SecurityError") return "Passkeys do not work at this address of the desk.";
  if (name === "NotSupportedError") return "This device has no passkey that the desk can use.";
  return "The passkey could not be used. Try again, or sign in another way.";
}
