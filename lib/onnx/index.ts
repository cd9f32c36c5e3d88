export { exportOnnx, newestOpset, oldestOpset } from './export';
