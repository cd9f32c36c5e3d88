export { mvtec } from './mvtec';
export { folder } from './folder';
